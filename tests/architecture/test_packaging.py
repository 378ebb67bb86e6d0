"""What is installed: every folder with code, one version, one command."""

import configparser

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
