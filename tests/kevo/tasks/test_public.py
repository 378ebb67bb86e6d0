"""The names of the tasks that kevo offers as its own."""

import pytest

import kevo
from kevo.tasks import public


@pytest.mark.parametrize("name", public.__all__)
def test_names_are_there(name: str) -> None:
    assert name in kevo.__all__
    assert getattr(kevo, name) is getattr(public, name)


def test_other_names_are_not() -> None:
    assert not hasattr(public, "Labels")
