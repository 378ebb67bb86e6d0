"""What is installed: every folder with code, one version, one command."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import kevo
from tests.support.project import PYPROJECT, ROOT


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


@pytest.mark.bar(17)
@pytest.mark.long
def test_a_wheel_holds_the_pages_and_their_server_begins_without_the_checkout(tmp_path: Path) -> None:
    for folder in ("kevo", "tuners"):
        shutil.copytree(ROOT / folder, tmp_path / "source" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "source")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "."]
    subprocess.run([*pip, "./source"], cwd=tmp_path, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    pages = "kevo/service/pages"
    there = {
        f"{pages}/{path.relative_to(ROOT / pages)}"
        for folder in ("templates", "static", "words")
        for path in (ROOT / pages / folder).rglob("*")
        if path.is_file()
    }
    assert there <= set(names)
    assert [name for name in names if "node" in Path(name).parts or name.endswith((".map", ".ts"))] == []
    shutil.rmtree(tmp_path / "source")
    code = (
        "import importlib.resources, kevo.service.run, kevo.service.pages as pages; print(pages.__file__);"
        " print(importlib.resources.files(pages).joinpath('templates', 'base.html').is_file())"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str(tmp_path / "installed" / pages / "__init__.py"), "True"]
