"""What is installed: every folder with code, one version, one command."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

import kevo
from tests.support.project import PYPROJECT, ROOT
from tests.support.serve_process import wait


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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("kevo", "tuners"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "."]
    subprocess.run([*pip, "./source"], cwd=folder, check=True)
    shutil.rmtree(folder / "source")
    (found,) = folder.glob("*.whl")
    return found


def python_of(version: str) -> str | None:
    """The Python of a version on this machine, also one of pyenv's; `None` where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    return found[-1] if found else shutil.which(f"python{version}")


@pytest.mark.bar(17)
@pytest.mark.longest
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_wheel_searches_and_serves_on_each_python(version: str, wheel: Path, tmp_path: Path) -> None:
    python = python_of(version)
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(*command: str | Path) -> None:
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)

    run(python, "-m", "venv", "installed")
    programs = tmp_path / "installed" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", f"{wheel}[serve]")
    limits = ["--max-trials", "2", "--epochs", "1", "--space", "small"]
    run(programs / "kevo", "search", "digits", *limits, "--out", "run", "--quiet")
    assert (tmp_path / "run" / "best.keras").is_file()
    shown = ["--port", "0", "--ready-file", "ready", "--paused", "--runs", "."]
    child = subprocess.Popen([programs / "kevo", "serve", *shown], cwd=tmp_path, env=environment)
    try:
        wait((tmp_path / "ready").exists)
        ready = json.loads((tmp_path / "ready").read_text())
        headers = {"authorization": f"Bearer {ready['token']}"}
        with httpx2.Client(base_url=ready["url"], headers=headers, timeout=120) as client:
            (found,) = wait(lambda: client.get("/api/v1/searches").json()["searches"])
            assert found["state"] == "finished" and "test accuracy" in client.get(f"/searches/{found['id']}").text
    finally:
        child.terminate()
        child.wait()


@pytest.mark.bar(17)
@pytest.mark.long
def test_a_wheel_holds_the_pages_and_their_server_begins_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
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
    code = (
        "import importlib.resources, kevo.service.run, kevo.service.pages as pages; print(pages.__file__);"
        " print(importlib.resources.files(pages).joinpath('templates', 'base.html').is_file())"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str(tmp_path / "installed" / pages / "__init__.py"), "True"]
