"""What an import costs: TensorFlow takes seconds to load, and comes when it is needed."""

import subprocess
import sys

import pytest

from tests.support.project import ROOT


@pytest.mark.parametrize(
    "code",
    [
        "import kevo",
        "import kevo.cli",
        "import tuners.evolution",
        "import kevo.runs.reader, kevo.runs.status",
        "from kevo.tasks import registry; registry.all_kinds()",
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
