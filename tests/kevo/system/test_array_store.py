"""Arrays on disk: computed once, never half, never wrong."""

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pytest

from kevo.system.array_store import ArrayStore

EXPECTED = np.arange(12, dtype=np.float16).reshape(4, 3)
ENTRY_BYTES = 128 + EXPECTED.nbytes + 32


class Computing:
    """Computes and counts how often it was asked to."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> npt.NDArray[Any]:
        self.count += 1
        return EXPECTED


def never() -> NoReturn:
    raise AssertionError("computed again")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "arrays"


@pytest.fixture
def store(folder: Path) -> ArrayStore:
    return ArrayStore(folder)


def entry(folder: Path) -> Path:
    (path,) = folder.glob("*.npy")
    return path


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    prelude = """
        import os, signal, sys, time
        from pathlib import Path
        import numpy as np
        from kevo.system.array_store import ArrayStore
        store = ArrayStore(Path(sys.argv[1]))
    """
    code = textwrap.dedent(prelude) + textwrap.dedent(script)
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_an_array_is_computed_once_and_comes_back_in_a_later_process(store: ArrayStore, folder: Path) -> None:
    computing = Computing()
    for _ in range(2):
        array = store.once("key", computing, num_rows=4)
        assert array.dtype == np.float16 and np.array_equal(array, EXPECTED)
    assert computing.count == 1
    later = run("print(store.once('key', lambda: 1 / 0, num_rows=4).tolist())", folder)
    assert later.communicate()[0].strip() == str(EXPECTED.tolist())


def test_an_entry_is_a_plain_npy_file_and_the_owners_own(store: ArrayStore, folder: Path) -> None:
    store.once("key", Computing(), num_rows=4)
    assert [path.name for path in folder.iterdir()] == [entry(folder).name]
    mapped = np.load(entry(folder), mmap_mode="r", allow_pickle=False)
    assert np.array_equal(mapped, EXPECTED)
    assert entry(folder).stat().st_size == ENTRY_BYTES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(folder).stat().st_mode) == 0o600


def test_what_is_stored_cannot_be_written_to(store: ArrayStore) -> None:
    store.once("key", Computing(), num_rows=4)
    with pytest.raises(ValueError, match="read-only"):
        store.once("key", never, num_rows=4)[0] = 0


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
@pytest.mark.parametrize("shape", [(4,), (4, 0), (4, 2, 2)])
def test_any_numbers_come_back(store: ArrayStore, dtype: type, shape: tuple[int, ...]) -> None:
    array = np.asfortranarray(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    store.once("key", lambda: array, num_rows=4)
    again = store.once("key", never, num_rows=4)
    assert again.dtype == dtype and np.array_equal(again, array)


def test_other_keys_have_other_arrays(store: ArrayStore) -> None:
    for number in range(3):
        store.once(str(number), lambda number=number: EXPECTED + number, num_rows=4)
    assert [store.once(str(number), never, num_rows=4)[0, 0] for number in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    "script",
    [
        "store.once('key', lambda: os.kill(os.getpid(), signal.SIGKILL), num_rows=4)",
        # Everything is written, but nothing has its name yet.
        """
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        store.once('key', lambda: np.full((4, 3), 7), num_rows=4)
        """,
    ],
    ids=["computing", "writing"],
)
def test_a_killed_writer_leaves_nothing_that_is_read(store: ArrayStore, folder: Path, script: str) -> None:
    writer = run(script, folder)
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    assert [path.name[:9] for path in folder.iterdir()] == [".partial-"]
    computing = Computing()
    assert np.array_equal(store.once("key", computing, num_rows=4), EXPECTED)
    assert computing.count == 1
    assert np.array_equal(store.once("key", never, num_rows=4), EXPECTED)
    assert list(folder.iterdir()) == [entry(folder)]


def test_leftovers_of_keys_that_nobody_asks_for_again_are_removed(store: ArrayStore, folder: Path) -> None:
    run("store.once('lost', lambda: os.kill(os.getpid(), signal.SIGKILL), num_rows=4)", folder).communicate()
    store.once("key", Computing(), num_rows=4)
    assert list(folder.iterdir()) == [entry(folder)]


def test_processes_that_ask_at_once_compute_once(folder: Path, tmp_path: Path) -> None:
    script = """
        def compute():
            with open(sys.argv[2] + "/log", "a") as log:
                log.write("computed\\n")
            time.sleep(0.3)
            return np.full((4, 3), 7)
        Path(sys.argv[2], f"ready-{os.getpid()}").touch()
        while not Path(sys.argv[2], "go").exists():
            time.sleep(0.001)
        print(store.once("key", compute, num_rows=4).sum())
    """
    processes = [run(script, folder, tmp_path) for _ in range(3)]
    while len(list(tmp_path.glob("ready-*"))) < 3:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [process.communicate()[0].strip() for process in processes] == ["84"] * 3
    assert (tmp_path / "log").read_text() == "computed\n"


def test_threads_that_ask_at_once_compute_once(store: ArrayStore) -> None:
    computing, barrier, results = Computing(), threading.Barrier(4), []

    def compute() -> npt.NDArray[Any]:
        time.sleep(0.1)
        return computing()

    def ask() -> None:
        barrier.wait()
        results.append(store.once("key", compute, num_rows=4))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(np.array_equal(result, EXPECTED) for result in results)
    assert computing.count == 1


def test_whoever_waits_may_give_up_and_others_take_over_from_a_killed_writer(store: ArrayStore, folder: Path) -> None:
    writer = run("store.once('key', lambda: (print('begun', flush=True), time.sleep(600)), num_rows=4)", folder)
    assert writer.stdout is not None and writer.stdout.readline() == "begun\n"

    def too_late() -> None:
        # A TimeoutError is an OSError too, and no matter of the folder.
        raise TimeoutError("time is up")

    with pytest.raises(TimeoutError, match="time is up"):
        store.once("key", never, num_rows=4, wait=too_late)
    computing = Computing()
    assert np.array_equal(store.once("key", computing, num_rows=4, wait=writer.kill), EXPECTED)
    assert computing.count == 1
    writer.communicate()


@pytest.mark.parametrize("error", [OSError("no such weights"), KeyboardInterrupt()])
def test_what_fails_to_compute_leaves_nothing_and_may_be_tried_again(
    store: ArrayStore, folder: Path, error: BaseException
) -> None:
    def fail() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        store.once("key", fail, num_rows=4)
    assert caught.value is error
    assert list(folder.iterdir()) == []
    assert np.array_equal(store.once("key", Computing(), num_rows=4), EXPECTED)


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def another_entry(path: Path) -> None:
    store = ArrayStore(path.parent)
    store.once("another", lambda: EXPECTED + 1, num_rows=4)
    (other,) = set(path.parent.glob("*.npy")) - {path}
    other.replace(path)


def link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere.npy")
    path.symlink_to(path.parent.parent / "elsewhere.npy")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: flip(path, 0), id="magic"),
        pytest.param(lambda path: flip(path, 60), id="header"),
        pytest.param(lambda path: flip(path, 130), id="numbers"),
        pytest.param(lambda path: flip(path, -1), id="checksum"),
        pytest.param(lambda path: os.truncate(path, ENTRY_BYTES - 1), id="cut short"),
        pytest.param(lambda path: os.truncate(path, 0), id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes() + b"\0"), id="longer"),
        pytest.param(lambda path: np.save(path, EXPECTED), id="without a checksum"),
        pytest.param(lambda path: np.save(path, np.array([print], dtype=object)), id="pickled"),
        pytest.param(another_entry, id="another entry"),
        pytest.param(link, id="link to the very entry"),
        pytest.param(fifo, id="pipe"),
    ],
)
def test_what_is_damaged_is_computed_again(store: ArrayStore, folder: Path, damage: Callable[[Path], None]) -> None:
    store.once("key", Computing(), num_rows=4)
    damage(entry(folder))
    computing = Computing()
    assert np.array_equal(store.once("key", computing, num_rows=4), EXPECTED)
    assert computing.count == 1
    assert np.array_equal(store.once("key", never, num_rows=4), EXPECTED)
    assert not entry(folder).is_symlink()


def test_an_array_of_another_length_is_computed_again(store: ArrayStore) -> None:
    store.once("key", lambda: EXPECTED[:3], num_rows=4)
    computing = Computing()
    assert len(store.once("key", computing, num_rows=4)) == 4
    assert computing.count == 1


def test_nothing_is_written_through_a_link(store: ArrayStore, folder: Path, tmp_path: Path) -> None:
    store.once("key", Computing(), num_rows=4)
    (tmp_path / "precious").write_text("mine")
    entry(folder).rename(folder / f".partial-{entry(folder).stem}")
    (partial,) = folder.iterdir()
    partial.unlink()
    partial.symlink_to(tmp_path / "precious")
    assert np.array_equal(store.once("key", Computing(), num_rows=4), EXPECTED)
    assert (tmp_path / "precious").read_text() == "mine"


def age(folder: Path, *, seconds: float) -> None:
    """Makes everything that lies there so much older."""
    for path in folder.iterdir():
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_the_least_recently_used_goes_first(folder: Path) -> None:
    store = ArrayStore(folder, max_bytes=3 * ENTRY_BYTES)
    folder.mkdir(parents=True)
    (folder / "notes.npy").write_bytes(bytes(10 * ENTRY_BYTES))
    for key in "abc":
        store.once(key, Computing(), num_rows=4)
        age(folder, seconds=60)
    store.once("a", never, num_rows=4)
    store.once("d", Computing(), num_rows=4)
    for key in "acd":
        store.once(key, never, num_rows=4)
    computing = Computing()
    store.once("b", computing, num_rows=4)
    assert computing.count == 1
    assert (folder / "notes.npy").exists()


def test_what_is_in_use_stays(folder: Path) -> None:
    store = ArrayStore(folder, max_bytes=2 * ENTRY_BYTES)
    script = """
        kept = store.once('a', lambda: np.full((4, 3), 7, np.float16), num_rows=4)[1:]
        print('in use', flush=True)
        time.sleep(600)
    """
    reader = run(script, folder)
    assert reader.stdout is not None and reader.stdout.readline() == "in use\n"
    age(folder, seconds=60)
    store.once("b", Computing(), num_rows=4)
    age(folder, seconds=60)
    store.once("c", Computing(), num_rows=4)
    assert store.once("a", never, num_rows=4)[0, 0] == 7
    reader.kill()
    reader.communicate()
    age(folder, seconds=60)
    for key in "de":
        store.once(key, Computing(), num_rows=4)
    computing = Computing()
    store.once("a", computing, num_rows=4)
    assert computing.count == 1


def test_an_array_beyond_the_limit_is_not_kept(folder: Path) -> None:
    store = ArrayStore(folder, max_bytes=EXPECTED.nbytes - 1)
    computing = Computing()
    for _ in range(2):
        assert np.array_equal(store.once("key", computing, num_rows=4), EXPECTED)
    assert computing.count == 2
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notes: list[str] = []
    store, computing = ArrayStore(tmp_path / "file" / "cache", note=notes.append), Computing()
    for _ in range(2):
        assert np.array_equal(store.once("key", computing, num_rows=4), EXPECTED)
    assert computing.count == 2
    assert notes == [
        f"Nothing is kept in {tmp_path / 'file' / 'cache'}: Not a directory. Make room or permit writing there, or "
        "name another folder."
    ]


def test_whether_anything_can_be_kept_is_known_before_it_is(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").touch()
    notes: list[str] = []
    for place in (folder, tmp_path / "file" / "cache"):
        ArrayStore(place, note=notes.append).try_out()
    assert list(folder.iterdir()) == [] and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [note.split(":")[0] for note in notes] == [f"Nothing is kept in {tmp_path / 'file' / 'cache'}"]


def test_from_a_read_only_folder_what_is_there_still_comes(store: ArrayStore, folder: Path) -> None:
    store.once("key", Computing(), num_rows=4)
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip(f"{folder} can be written all the same, by root")
        notes: list[str] = []
        late, computing = ArrayStore(folder, note=notes.append), Computing()
        assert np.array_equal(late.once("key", never, num_rows=4), EXPECTED)
        for _ in range(2):
            assert np.array_equal(late.once("new", computing, num_rows=4), EXPECTED)
        assert computing.count == 2
        assert len(notes) == 1 and "Permission denied" in notes[0]
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("limit", [0, 100, 150])
def test_a_full_disk_is_named_once(folder: Path, limit: int) -> None:
    notes: list[str] = []
    store, computing = ArrayStore(folder, note=notes.append), Computing()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        for _ in range(2):
            assert np.array_equal(store.once("key", computing, num_rows=4), EXPECTED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert computing.count == 2
    assert len(notes) == 1 and "Make room" in notes[0]
    assert list(folder.iterdir()) == []
