"""Benchmarks import each other one way, imports in functions and for types included."""

from pathlib import Path

from tests.support.imports import circles, imports, imports_of, modules, within
from tests.support.project import ROOT

FILES = modules(ROOT, ("benchmarks", "kevo", "tuners"))


def test_no_benchmark_imports_itself_by_way_of_others() -> None:
    found = [one for one in imports(ROOT, FILES) if within(one.importer, "benchmarks")]
    assert found
    assert [" | ".join(map(str, circle)) for circle in circles(found)] == []


def test_the_packages_know_no_benchmark() -> None:
    assert [
        str(one)
        for one in imports(ROOT, FILES)
        if within(one.target, "benchmarks") and not within(one.importer, "benchmarks")
    ] == []


def test_a_planted_circle_is_named() -> None:
    path = Path("benchmarks/speed/candidates.py")
    line = "from benchmarks.speed.measuring import measure"
    original = (ROOT / path).read_text(encoding="utf-8")
    planted = list(imports_of(f"{original}def planted():\n    {line}\n", path, FILES))
    named = f"{path}:{len(original.splitlines()) + 2}: {line}"
    assert any(named in map(str, circle) for circle in circles([*imports(ROOT, FILES), *planted]))
