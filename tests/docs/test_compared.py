"""Each cell for kevo in the table of features names a test that is there, or says no."""

import ast
import re

from tests.support.project import ROOT


def test_cells_name_tests_that_are_there() -> None:
    lines = (ROOT / "docs" / "compared.md").read_text(encoding="utf-8").splitlines()
    cells = [line.split(" | ")[1] for line in lines if line.startswith("| ")][1:]
    named = [match for cell in cells if (match := re.fullmatch(r"`([\w/]+\.py)::(\w+)`", cell))]
    assert len(cells) > 15 and len(named) >= len(cells) - 2
    assert all(cell.startswith("no") for cell in cells if not cell.startswith("`"))
    for match in named:
        tree = ast.parse((ROOT / "tests" / match[1]).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert match[2] in names, match[0]


def test_what_is_said_of_others_has_a_source() -> None:
    text = (ROOT / "docs" / "compared.md").read_text(encoding="utf-8")
    head = next(line for line in text.splitlines() if line.startswith("| feature"))
    others = [cell.strip().split(",")[0] for cell in head.strip("|").split("|")[2:]]
    sources = text.partition("\n## Sources\n")[2].split("\n- ")[1:]
    named = {match[1]: "https://" in source for source in sources if (match := re.match(r"\*\*([^*]+)\.\*\*", source))}
    assert named == dict.fromkeys(others, True)
