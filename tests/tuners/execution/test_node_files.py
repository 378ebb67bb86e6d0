"""Files for workers on other machines."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tuners.execution import node_files
from tuners.execution.node_files import Bytes, NodeFolder, Shared


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of some machine."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "more").mkdir(parents=True)
    (tmp_path / "data" / "first").write_bytes(b"1" * 1000)
    (tmp_path / "data" / "more" / "second").write_bytes(b"")
    return tmp_path / "data"


def test_the_same_files_are_known_by_what_they_hold(data: Path, machine: Path) -> None:
    shared = Shared.of(data)
    assert shared.names == ("first", "more/second") and shared.is_here()
    with NodeFolder() as folder:
        assert folder.find(shared) == data
        (data / "first").write_bytes(b"2" * 1000)
        assert not shared.is_here() and folder.find(shared) is None
    assert Shared.of(data).digest != shared.digest and Shared.of(data / "first").names == ("",)


def test_files_are_sent_once_to_each_machine_and_go_with_its_last_worker(data: Path, machine: Path) -> None:
    shared, sent = (
        [Shared.of(data), Shared.of(data / "first")],
        [Shared.of(data).read(), Shared.of(data / "first").read()],
    )
    asked: list[Shared] = []

    def receive(one: Shared) -> Mapping[str, Bytes]:
        asked.append(one)
        return sent[shared.index(one)]

    data.rename(data.with_name("elsewhere"))
    with NodeFolder() as first:
        places = node_files.fetch(first, shared, receive)
        with NodeFolder() as second:
            assert node_files.fetch(second, shared, receive) == places and asked == shared
            assert first.path != second.path
        assert Path(places[str(data)], "first").read_bytes() == b"1" * 1000
        assert Path(places[str(data)], "more", "second").read_bytes() == b""
        assert Path(places[str(data / "first")]).read_bytes() == b"1" * 1000
    (root,) = machine.iterdir()
    assert [path.name for path in root.iterdir()] == ["lock"]


def test_what_a_killed_worker_has_left_goes_with_the_next_one(machine: Path) -> None:
    with NodeFolder() as folder:
        root = folder.path.parent
    (root / "left").mkdir()
    with NodeFolder():
        assert not (root / "left").exists()


def test_a_folder_that_others_can_write_is_refused(machine: Path) -> None:
    with NodeFolder() as folder:
        root = folder.path.parent
    root.chmod(0o777)
    with pytest.raises(OSError, match="is not this user's own folder"), NodeFolder():
        pass


def test_names_from_elsewhere_stay_in_their_folder(tmp_path: Path) -> None:
    made = node_files.write_folder(tmp_path, {"../outside": b"a model"})
    assert node_files.read_folder(made) == {"outside": b"a model"} and [path.name for path in tmp_path.iterdir()] == [
        made.name
    ]
