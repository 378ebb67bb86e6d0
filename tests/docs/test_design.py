"""The tree of docs/design.md names files that are there, and every module of both packages."""

import re
from collections.abc import Iterator

from tests.support.project import ROOT

PAGE = (ROOT / "docs/design.md").read_text(encoding="utf-8")
AS_A_WHOLE = ("kevo/report/plots/", "kevo/tasks/images/datasets/")
"""Folders whose modules the tree does not name."""


def tree() -> Iterator[str]:
    """The files and folders of the tree, as paths from the root of the project.

    A line has names, two spaces or more, and a description. In the line of a folder that names modules count too.
    """
    _, _, rest = PAGE.partition("## Rooms\n\n```\n")
    folders: list[str] = []
    for line in rest.partition("\n```")[0].splitlines():
        names, description = re.split(r"  +", line.strip(), maxsplit=1)
        del folders[(len(line) - len(line.lstrip())) // 2 :]
        above = "".join(folders)
        yield from (above + name for name in names.split())
        if names.endswith("/"):
            folders.append(names)
            yield from (above + names + name for name in re.findall(r"\w+\.py\b", description))


def test_tree_names_what_is_there() -> None:
    assert [path for path in tree() if not (ROOT / path).exists()] == []


def test_tree_names_every_module() -> None:
    files = [file for package in ("kevo", "tuners") for file in sorted((ROOT / package).rglob("*.py"))]
    modules = [file.relative_to(ROOT).as_posix() for file in files if not file.name.startswith("__")]
    assert [path for path in modules if not path.startswith(AS_A_WHOLE) and path not in set(tree())] == []


def test_paths_in_the_text_lead_somewhere() -> None:
    paths = re.findall(r"`((?:kevo|tuners|tests)/[\w/]+\.py)`", PAGE)
    assert [path for path in paths if not (ROOT / path).exists()] == []
