"""What has to be installed beside kevo."""

import re
import subprocess

from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.imports import modules
from tests.support.project import PYPROJECT, ROOT

EXTRAS = PYPROJECT["project"]["optional-dependencies"]
LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+) \\$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    needed = [*PYPROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    # One extra may bring another.
    own = PYPROJECT["project"]["name"]
    assert [line for line in needed if ">=" not in line and not line.startswith(f"{own}[")] == []


def needed(extras: list[str]) -> list[Requirement]:
    lines = [*PYPROJECT["project"]["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [one for one in map(Requirement, lines) if one.name != PYPROJECT["project"]["name"]]


def test_the_lock_file_holds_what_the_tests_need_in_versions_that_are_allowed() -> None:
    extras = (ROOT / ".ci" / "extras").read_text().strip().split(",")
    requirements = needed(extras)
    assert len(requirements) > len(PYPROJECT["project"]["dependencies"])
    for one in requirements:
        assert Version(LOCKED[one.name]) in one.specifier, one


def test_every_locked_version_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    for entry in re.split(r"\n(?=\S)", text.partition("\n")[2].strip()):
        first, *hashes = entry.splitlines()
        assert re.fullmatch(r"[\w.-]+==\S+ \\", first), first
        assert hashes != [] and all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), (
            first
        )
    assert {"setuptools", "tensorflow", "keras"} <= LOCKED.keys()
    (build,) = map(Requirement, PYPROJECT["build-system"]["requires"])
    assert Version(LOCKED[build.name]) in build.specifier


def test_what_is_not_public_of_keras_tuner_has_an_upper_bound() -> None:
    private = [path for path in modules(ROOT, ("tuners", "kevo")).values() if "keras_tuner.src" in path.read_text()]
    assert private != []
    (keras_tuner,) = (one for one in needed([]) if one.name == "keras-tuner")
    assert {one.operator for one in keras_tuner.specifier} == {">=", "<"}
    assert Version("1.5") not in keras_tuner.specifier


def test_the_scripts_of_the_lock_file_are_sound() -> None:
    for script in (ROOT / "scripts" / "lock", ROOT / ".ci" / "run"):
        subprocess.run(["bash", "-n", script], check=True)
    assert re.fullmatch("[a-z,]+", (ROOT / ".ci" / "extras").read_text().strip())
