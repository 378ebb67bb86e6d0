"""Reads who imports whom from the sources, without running them."""

import ast
import importlib.util
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_BY_NAME = ("import_module", "__import__")


@dataclass(frozen=True)
class Import:
    """One module that a statement imports.

    Args:
        importer: The module that holds the statement, as a dotted name.
        target: The module that is imported.
        place: Where the statement stands, as `path:line`.
        text: The first line of the statement.
    """

    importer: str
    target: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def modules(root: Path, packages: Sequence[str]) -> dict[str, Path]:
    """Returns the files of packages below a folder, by the names of their modules."""
    found = {}
    for path in sorted(path for package in packages for path in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path, files: Mapping[str, Path]) -> list[Import]:
    """Returns all imports of modules from each other.

    Imports in functions and under `TYPE_CHECKING` count like all others, and so do those by a name that is written out.

    Args:
        root: The folder that the places of imports are relative to.
        files: The files of the modules, by name.
    """
    texts = ((path, path.read_text(encoding="utf-8")) for path in files.values())
    return [one for path, text in texts for one in imports_of(text, path.relative_to(root), files)]


def imports_of(source: str, path: Path, known: Container[str]) -> Iterator[Import]:
    """Yields what one module imports.

    Args:
        source: The text of the module.
        path: Its file, relative to the folder that holds its package.
        known: The names of the modules that count.
    """
    parts = path.with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    package = name if is_package else name.rpartition(".")[0]
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        for target in dict.fromkeys(_module(dotted, known) for dotted in _targets(node, package, known)):
            if target is not None:
                line = getattr(node, "lineno", 0)
                yield Import(name, target, f"{path.as_posix()}:{line}", lines[line - 1].strip())


def within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")


def circles(found: Iterable[Import]) -> list[list[Import]]:
    """Returns circles of modules that import each other, as the imports that close them, one for each knot."""
    edges: dict[str, dict[str, Import]] = {}
    for one in found:
        if one.target != one.importer:
            edges.setdefault(one.importer, {}).setdefault(one.target, one)
    closed: list[list[Import]] = []
    seen: set[str] = set()
    for name in sorted(edges):
        if name not in seen and (circle := _shortest_circle(name, edges)):
            closed.append(circle)
            seen |= {one.importer for one in circle}
    return closed


def _targets(node: ast.AST, package: str, known: Container[str]) -> Iterator[str]:
    """Yields the dotted names that a statement imports; of `from a import b` the module `a.b` where there is one."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        for alias in node.names:
            dotted = f"{source}.{alias.name}"
            yield dotted if dotted in known else source
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _BY_NAME and isinstance(node.args[0].value, str):
            yield importlib.util.resolve_name(node.args[0].value, package)


def _module(dotted: str, known: Container[str]) -> str | None:
    """Returns the module of ours that a dotted name means or lies in."""
    while dotted and dotted not in known:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


def _shortest_circle(start: str, edges: Mapping[str, Mapping[str, Import]]) -> list[Import]:
    reached: dict[str, list[Import]] = {start: []}
    waiting = [start]
    while waiting:
        name = waiting.pop(0)
        for target, one in edges.get(name, {}).items():
            if target == start:
                return [*reached[name], one]
            if target not in reached:
                reached[target] = [*reached[name], one]
                waiting.append(target)
    return []
