"""What has to be installed beside kevo."""

from tests.support.project import PYPROJECT


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    needed = [*PYPROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    # One extra may bring another.
    own = PYPROJECT["project"]["name"]
    assert [line for line in needed if ">=" not in line and not line.startswith(f"{own}[")] == []
