"""Whether this user has begun a search."""

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kevo.runs.folder import Run
from kevo.runs.ownership import SIGNATURE, is_own, signed

SETTINGS: dict[str, Any] = {
    "data": "/data/pets",
    "fingerprint": "0123abcd",
    "started": "today",
    "search": {"cache": "/big/cache", "weights": {"vgg16": "/weights"}, "max_time": 60.0},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache"


@pytest.mark.parametrize(
    ("change", "is_mine"),
    [
        (lambda values: values, True),
        (lambda values: values.update(started="yesterday"), True),
        (lambda values: values["search"].update(max_time=120.0), True),
        (lambda values: values.update(data="/"), False),
        (lambda values: values.update(data=None), False),
        (lambda values: values.update(fingerprint="4567"), False),
        (lambda values: values["search"].update(cache="/home"), False),
        (lambda values: values["search"]["weights"].update(vgg16="/dev/zero"), False),
        (lambda values: values.update(search=None), False),
        (lambda values: values.pop(SIGNATURE), False),
        (lambda values: values.update({SIGNATURE: 7}), False),
        (lambda values: values.update({SIGNATURE: ""}), False),
        (lambda values: values.update({SIGNATURE: "\u00e9"}), False),
    ],
)
def test_places_that_somebody_else_names_are_not_ones_own(change: Callable[[Any], object], is_mine: bool) -> None:
    values = copy.deepcopy(signed(SETTINGS))
    change(values)
    assert is_own(values) is is_mine


def test_another_users_key_is_another(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = signed(SETTINGS)
    assert sorted(path.name for path in (cache / "kevo").iterdir()) == ["key"]
    assert (cache / "kevo" / "key").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.with_name("other")))
    assert not is_own(mine) and not cache.with_name("other").exists()
    assert is_own(signed(SETTINGS))


@pytest.mark.parametrize("content", [b"", b"short", b"k" * 33])
def test_a_damaged_key_is_none(cache: Path, content: bytes) -> None:
    mine = signed(SETTINGS)
    (cache / "kevo" / "key").write_bytes(content)
    assert not is_own(mine) and signed(SETTINGS)[SIGNATURE] == ""


def test_a_key_that_is_a_pipe_or_a_link_is_none(cache: Path) -> None:
    (cache / "kevo").mkdir(parents=True)
    os.mkfifo(cache / "kevo" / "key")
    assert signed(SETTINGS)[SIGNATURE] == ""
    (cache / "kevo" / "key").unlink()
    (cache / "kevo" / "key").symlink_to(cache / "elsewhere")
    assert signed(SETTINGS)[SIGNATURE] == "" and not (cache / "elsewhere").exists()


def test_a_run_folder_says_whose_it_is(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", signed(SETTINGS))
    assert Run.open(run.path).is_own and run.is_own
    run.write_json("settings.json", {**run.settings, "data": "/"})
    assert not Run.open(run.path).is_own
