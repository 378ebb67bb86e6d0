"""The server's process loads nothing heavy, and everything that its pages need is installed with it."""

import configparser
import subprocess
import sys

import pytest

from tests.support.project import ROOT


@pytest.mark.bar(14)
def test_it_loads_neither_tensorflow_nor_numpy() -> None:
    code = """
import sys
from kevo.cli import main
import click
assert main.get_command(click.Context(main), "serve") is not None
import kevo.service.run
heavy = {"tensorflow", "keras", "keras_tuner", "matplotlib", "numpy", "PIL", "sklearn", "scipy", "grpc", "tuners"}
print(sorted(heavy & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.bar(17)
def test_a_page_brings_all_that_it_needs() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = [one.strip() for one in setup["options.package_data"]["kevo.service.pages"].split(",")]
    folder = ROOT / "kevo/service/pages"
    installed = {path for pattern in patterns for path in folder.glob(pattern)}
    there = {path for name in ("templates", "static", "words") for path in (folder / name).rglob("*") if path.is_file()}
    assert there == installed and len(there) > 15
    # What a first page weighs, of which a browser keeps most.
    assert sum(path.stat().st_size for path in (folder / "static").iterdir()) < 40_000


@pytest.mark.bar(9)
def test_no_page_asks_elsewhere() -> None:
    texts = [
        path.read_text() for name in ("templates", "static") for path in (ROOT / "kevo/service/pages" / name).iterdir()
    ]
    assert [text for text in texts if "https://" in text or "//cdn" in text] == []
