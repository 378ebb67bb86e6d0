"""How the house is built: who imports whom, what an import costs, and what the package says of itself."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kevo

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# A room of `tuners` imports from lower floors and from its own.
FLOORS = {
    "tuners.execution": 0,
    "tuners.genome": 0,
    "tuners.operators": 1,
    "tuners.survival": 2,
    "tuners.pareto": 2,
    "tuners.surrogate": 2,
    "tuners.fidelity": 2,
    "tuners.settings": 3,
    "tuners.evolution": 4,
    "tuners.oracle": 5,
    "tuners.remote": 5,
    "tuners.tuner": 6,
    "tuners": 7,
}


def modules(package: str) -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path) -> Iterator[str]:
    """Everything that a module imports anywhere in it, as dotted names; `from a import b` may mean `a.b`."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def room(name: str) -> str:
    """The room of `tuners` that a dotted name lies in."""
    return max((room for room in FLOORS if within(name, room)), key=len)


TUNERS = modules("tuners")
KEVO = modules("kevo")


@pytest.mark.parametrize("name", TUNERS)
def test_tuners_never_import_kevo(name: str) -> None:
    assert [source for source in imports(name, TUNERS[name]) if within(source, "kevo")] == []


@pytest.mark.parametrize("name", TUNERS)
def test_tuners_import_downward(name: str) -> None:
    assert name == "tuners" or room(name) != "tuners", f"{name} has no floor: give it one here and in docs/design.md."
    # `from tuners import genome` names the roof on its way to the room.
    sources = {source for source in imports(name, TUNERS[name]) if within(source, "tuners")} - {"tuners"}
    upward = [source for source in sorted(sources) if FLOORS[room(source)] > FLOORS[room(name)]]
    assert upward == []


@pytest.mark.parametrize("name", KEVO)
def test_few_rooms_of_kevo_know_tuners(name: str) -> None:
    known = any(within(source, "tuners") for source in imports(name, KEVO[name]))
    rooms = ("kevo.engine", "kevo.execution", "kevo.tasks", "kevo.session")
    assert not known or any(within(name, room) for room in rooms)


@pytest.mark.parametrize("name", KEVO)
def test_nothing_imports_the_command(name: str) -> None:
    if name != "kevo.__main__" and not within(name, "kevo.cli"):
        assert [source for source in imports(name, KEVO[name]) if within(source, "kevo.cli")] == []


@pytest.mark.parametrize(
    "code",
    [
        "import kevo",
        "import kevo.cli",
        "import tuners.evolution",
        "import runpy; sys.argv[1:] = ['--help']; runpy.run_module('kevo', run_name='__main__')",
    ],
)
def test_loads_no_tensorflow(code: str) -> None:
    watch = """
import atexit, sys
heavy = {"tensorflow", "keras", "keras_tuner"}
atexit.register(lambda: print("loaded:", sorted(heavy & sys.modules.keys()), file=sys.stderr))
"""
    done = subprocess.run([sys.executable, "-c", watch + code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize("package", ["kevo", "tuners"])
def test_setuptools_finds_every_folder_with_code(package: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert f"{package}*" in setup["options.packages.find"]["include"].split()
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
    assert (ROOT / package / "py.typed").exists()


def test_version_is_told_once() -> None:
    assert kevo.__version__ == PYPROJECT["project"]["version"]


def test_command_exists() -> None:
    module, _, function = PYPROJECT["project"]["scripts"]["kevo"].partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    needed = [*PYPROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    assert [line for line in needed if ">=" not in line] == []


def test_no_absolute_paths_in_tracked_files() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip(f"{ROOT / '.git'} is missing: only a git checkout knows its tracked files")
    absolute = re.compile(rb"(?<![\w.~-])/(?:home|root|tmp|Users|work)/")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content and absolute.search(content):
            found.append(name)
    assert found == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    addresses = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    inner = [address for address in addresses if "://" not in address]
    assert [address for address in inner if not (page.parent / address).exists()] == []
