"""What is tried: each target takes what hypothesis draws, and ends well, or with an error that a user can mend."""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from PIL import Image

import kevo
from benchmarks.fuzz.mutations import SCALARS, damages
from kevo.errors import KevoError
from kevo.progress import NullListener
from kevo.report import comparison
from kevo.report import files as report
from kevo.runs import status
from kevo.tasks.images import datasets
from kevo.tasks.images.classifier import Classifier
from kevo.tasks.registry import choose
from kevo.tasks.tables import loading
from kevo.tasks.texts import loading as texts

_SETTINGS = kevo.Settings(
    max_trials=2, epochs=1, final_epochs=2, num_finalists=1, population=2, space="small", workers=0, cache="none"
)
_NUM_PICTURES = 60
_SIDE = 8


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is tried.

    Args:
        name: What to call it.
        inputs: What is drawn.
        tries: Tries one input. An error other than a `KevoError` is a fault.
        share: How many inputs are drawn in each round.
    """

    name: str
    inputs: st.SearchStrategy[Any]
    tries: Callable[[Any], object]
    share: int


def pictures() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Returns pictures of two classes that are easy to tell apart, shape (60, 8, 8, 3), and their classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(_NUM_PICTURES) % 2
    values = rng.integers(0, 120, (_NUM_PICTURES, _SIDE, _SIDE, 3)) + 120 * labels[:, None, None, None]
    return values.astype(np.uint8), labels


def finished_run(folder: Path) -> Path:
    """Makes the folder of a small search that has ended, with a pretend cache of an earlier session beside it."""
    run = kevo.search(pictures(), _SETTINGS, out=folder / "run", verbose=False).run_folder
    report.write(run)
    return run


def sources(folder: Path) -> list[Target]:
    """Returns targets that read data.

    Args:
        folder: For their files.
    """

    def listed(content: bytes) -> None:
        with _workspace(folder) as space:
            for name, shades in _LISTED.items():
                (space / name).mkdir()
                for shade in shades:
                    (space / name / f"{shade}.png").write_bytes(_png(shade))
            (space / "data.csv").write_bytes(content)
            refused(lambda: datasets.load(space / "data.csv"))

    return [
        Target("folders and zips of pictures", layouts(), lambda layout: _load_layout(layout, folder), 100),
        Target("arrays of pictures", arrays(), lambda pair: refused(lambda: datasets.load(pair)), 100),
        Target("npz files", npz_files(), lambda content: _load_bytes(content, ".npz", folder, datasets.load), 100),
        Target("lists of pictures as CSV", csv_files() | listings(), listed, 100),
        Target("tables as CSV", csv_files(), lambda text: _load_bytes(text, ".csv", folder, _load_table), 100),
        Target("arrays of rows", rows(), lambda pair: refused(lambda: loading.load(pair)), 100),
        Target("texts as CSV", csv_files(), lambda text: _load_bytes(text, ".csv", folder, _load_texts), 100),
        Target("files of texts", text_files(), lambda files: _load_text_files(files, folder), 100),
        Target("lists of texts", text_lists(), lambda pair: refused(lambda: texts.load(pair)), 100),
    ]


def runs(folder: Path) -> list[Target]:
    """Returns targets that use the folder of a search, which is made first.

    Args:
        folder: For their files.
    """
    run = finished_run(folder)
    one = folder / "one.png"
    Image.fromarray(pictures()[0][0]).save(one)
    damaged = st.lists(damages(run), min_size=1, max_size=2)

    def with_damage(use: Callable[[Path], object]) -> Callable[[list[tuple[str, Callable[[Path], object]]]], None]:
        def tries(found: list[tuple[str, Callable[[Path], object]]]) -> None:
            with _workspace(folder) as space:
                copied = Path(shutil.copytree(run, space / "run"))
                for _, change in found:
                    # The first one may have removed what the second one is about.
                    if copied.exists():
                        _try_change(change, copied)
                use(copied)
                if sorted(path.name for path in space.iterdir()) != ["run"]:
                    raise AssertionError(f"Written outside of the run folder: {sorted(space.iterdir())}")

        return tries

    def look(copied: Path) -> None:
        asks: list[Callable[[], object]] = [
            lambda: list(status.describe_status(status.read(copied))),
            lambda: report.write(copied),
            lambda: report.save_figures(copied, copied / "figures"),
            lambda: comparison.compare([run, copied]),
        ]
        for ask in asks:
            refused(ask)

    def resume(copied: Path) -> None:
        refused(lambda: kevo.resume(copied, pictures(), listener=_Ending()))

    def predict(copied: Path) -> None:
        for model in (copied, copied / "best.keras"):
            refused(partial(_predicted, model, one))

    return [
        Target("status, report and compare of a damaged run folder", damaged, with_damage(look), 10),
        Target("resume of a damaged run folder", damaged, with_damage(resume), 5),
        Target("predict with a damaged run folder", damaged, with_damage(predict), 5),
    ]


class _Ending(NullListener):
    """Ends a search before it trains: how long that takes is up to its settings."""

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        signal.raise_signal(signal.SIGINT)


def _predicted(model: Path, picture: Path) -> object:
    return list(Classifier.open(model).predict(picture))


_refusals = 0


def refused(ask: Callable[[], object]) -> None:
    """Asks for something; an error that a user can mend is counted as well done."""
    global _refusals
    try:
        ask()
    except KevoError as error:
        if not str(error).strip() or "\n" in str(error).strip():
            raise AssertionError(f"An error of no words, or of several lines: {error!r}") from error
        _refusals += 1


def num_refusals() -> int:
    """Returns how many errors that a user can mend there were so far."""
    return _refusals


def _try_change(change: Callable[[Path], object], copied: Path) -> None:
    with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError):
        change(copied)


@contextmanager
def _workspace(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        yield Path(name)


# Folders


def _png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (_SIDE, _SIDE), shade).save(stream, "PNG")
    return stream.getvalue()


_NAMES = st.sampled_from(
    ["cat", "dog", "train", "test", "val", "validation", "Train", "images", "masks", ".hidden", "__MACOSX", "a b", "é"]
)
_CONTENTS = st.sampled_from([_png(90), b"", b"text", _png(90)[:40], b"\xff\xd8\xff", b"GIF89a"])
_SOUND = {"bird": range(0, 12), "fish": range(100, 112)}
Tree = Mapping[str, Any]
"""Names, and what they hold: bytes, `None` for a pipe, a text for a link to it, or another tree."""


def layouts() -> st.SearchStrategy[tuple[Tree, bool]]:
    """Draws trees of folders with pictures and other files, and whether they are in a zip."""
    files = st.dictionaries(st.sampled_from(["1.png", "2.jpg", "x.txt", ".DS_Store"]), _CONTENTS, max_size=3)
    odd = st.none() | st.sampled_from(["..", ".", "nowhere", "/etc/hostname"])
    trees = st.recursive(files, lambda inner: st.dictionaries(_NAMES, inner | odd, max_size=4), max_leaves=12)
    # Half of them around classes that could be learned from.
    sound = {name: {f"{shade}.png": _png(shade) for shade in shades} for name, shades in _SOUND.items()}
    return st.tuples(trees | trees.map(lambda tree: {**sound, **tree}), st.booleans())


def _load_layout(layout: tuple[Tree, bool], folder: Path) -> None:
    tree, is_zip = layout
    with _workspace(folder) as space:
        path = space / "data"
        path.mkdir()
        _grow(path, tree)
        if is_zip:
            path = path.with_suffix(".zip")
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in _flat(tree):
                    archive.writestr(name, content)
        refused(lambda: datasets.load(path))


def _grow(path: Path, tree: Tree) -> None:
    for name, content in tree.items():
        if content is None:
            os.mkfifo(path / name)
        elif isinstance(content, str):
            (path / name).symlink_to(content)
        elif isinstance(content, bytes):
            (path / name).write_bytes(content)
        else:
            (path / name).mkdir()
            _grow(path / name, content)


def _flat(tree: Tree, above: str = "") -> Iterator[tuple[str, bytes]]:
    for name, content in tree.items():
        if isinstance(content, bytes):
            yield f"{above}{name}", content
        elif isinstance(content, Mapping):
            yield from _flat(content, f"{above}{name}/")


# Arrays


_DTYPES = ("u1", "i1", "u2", "i4", "i8", "f2", "f4", "f8", "?", "c8", "U3", "O")
_RANGES = ((0, 1), (0, 255), (-1, 1), (0, 65535), (0, 4095), (5, 5), (-1e30, 1e30), (0, 1.0001))
_SPECIAL = (np.nan, np.inf, -np.inf, 1e300, -1.0, 256.0)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draws pictures of any type, shape and range, and labels that may fit."""
    if draw(st.booleans()):
        # Only what the numbers are is odd.
        return _filled(draw, (40, _SIDE, _SIDE, 3)), np.arange(40) % 2
    num = draw(st.integers(0, 40) | st.just(40))
    side = draw(st.integers(0, 12) | st.just(8))
    shape = draw(st.sampled_from([(num, side, side), (num, side, side, 3), (num, side, side, 4), (num, 3, side, side)]))
    shape = draw(st.sampled_from([shape, shape, shape, shape[1:], (*shape, 1), ()]))
    return _filled(draw, shape), _labels(draw, num)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draws rows of numbers or texts of any type and range, and labels that may fit."""
    if draw(st.booleans()):
        return _filled(draw, (40, 3)), np.arange(40) % 2
    num, columns = draw(st.integers(0, 40) | st.just(40)), draw(st.integers(0, 5))
    shape = draw(st.sampled_from([(num, columns), (num, columns), (num,), (num, columns, 2), ()]))
    return _filled(draw, shape), _labels(draw, num)


def _filled(draw: st.DrawFn, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    low, high = draw(st.sampled_from(_RANGES))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.uniform(low, high, shape)
    if values.size and draw(st.booleans()):
        values.flat[draw(st.integers(0, values.size - 1))] = draw(st.sampled_from(_SPECIAL))
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(draw(st.sampled_from(_DTYPES)))


def _labels(draw: st.DrawFn, num: int) -> Any:
    num = max(0, num + draw(st.sampled_from([0, 0, 0, 0, 1, -1])))
    plain = np.arange(num) % draw(st.integers(1, 4))
    kinds = [
        plain,
        plain.astype(float),
        plain.astype(str),
        np.eye(4)[plain],
        plain[:, None],
        plain - 5,
        plain * 0.5,
        np.array([draw(SCALARS) for _ in range(min(num, 4))], object),
    ]
    return kinds[draw(st.integers(0, len(kinds) - 1))]


@st.composite
def npz_files(draw: st.DrawFn) -> bytes:
    """Draws `.npz` files, most of them damaged."""
    values, labels = pictures()
    stream = io.BytesIO()
    names = draw(st.sampled_from([("x", "y"), ("x_train", "y_train"), ("x", "z"), ("x_val", "y_val")]))
    save: Callable[..., None] = draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(stream, **dict(zip(names, (values[:20], labels[:20]), strict=True)))
    content = bytearray(stream.getvalue())
    for _ in range(draw(st.integers(0, 4))):
        # Headers stand at the begin of the file and of its parts, and the directory at its end.
        place = draw(st.integers(0, 200) | st.integers(-200, -1) | st.integers(0, len(content) - 1))
        content[place] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """Draws texts with columns, in which much may be wrong."""
    headers = [["path", "label"], ["path", "label", "split"], ["a", "b", "target"], ["a", "a"], []]
    header = draw(st.sampled_from(headers))
    cells = ["", "1", "2.5", "cat", "dog", "nan", "1e400", "train", "../x.png", '"', "\0", "é", "a,b"]
    if draw(st.booleans()):
        # Rows that could be learned from, and some that are odd.
        header = headers[2]
        lines = [header, *([str(number), str(number % 5), ("cat", "dog")[number % 2]] for number in range(40))]
    else:
        lines = [header]
    for width in draw(st.lists(st.integers(0, 4) | st.just(len(header)), max_size=10)):
        lines.append([draw(st.sampled_from(cells)) for _ in range(width)])
    stream = io.StringIO()
    csv.writer(stream, delimiter=draw(st.sampled_from(",;\t|"))).writerows(lines)
    content = stream.getvalue().encode()
    kinds = [content, content, content, content[:-1], b"\xff" + content, b"\xef\xbb\xbf" + content]
    return draw(st.sampled_from(kinds))


_LISTED = {"cat": range(20, 120, 10), "dog": range(130, 230, 10)}


@st.composite
def listings(draw: st.DrawFn) -> bytes:
    """Draws lists of pictures that are there, under columns of any names and in any order, and some odd rows."""
    names = (
        draw(st.sampled_from(["path", "image", "id", "File Name", "x"])),
        draw(st.sampled_from(["label", "class", "kind", "y", ""])),
    )
    more = draw(st.lists(st.sampled_from(["split", "set", "patient", "path", "label", ""]), max_size=2))
    slash, ending = draw(st.sampled_from("/\\")), draw(st.sampled_from([".png", "", ".jpg"]))
    odd = st.sampled_from(["", "train", "test", "../x.png", "cat", "\0", "nan", "x" * 300])
    rows = [
        [f"{name}{slash}{shade}{ending}", name, *(draw(odd) for _ in more)]
        for name, shades in _LISTED.items()
        for shade in shades
    ]
    for row in rows[: draw(st.integers(0, 3))]:
        row[draw(st.integers(0, len(row) - 1))] = draw(odd)
    columns = draw(st.permutations(range(2 + len(more))))
    lines = [[*names, *more], *rows] if draw(st.booleans()) else [["path", "label", *more], *rows]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=draw(st.sampled_from(",;\t|")))
    writer.writerows([[line[column] for column in columns] for line in lines])
    return stream.getvalue().encode()


def _load_bytes(content: bytes, suffix: str, folder: Path, load: Callable[[Path], object]) -> None:
    with _workspace(folder) as space:
        path = space / f"data{suffix}"
        path.write_bytes(content)
        refused(lambda: load(path))


def _load_table(path: Path) -> object:
    return loading.load(path, target="target")


@st.composite
def text_files(draw: st.DrawFn) -> dict[str, bytes]:
    """Draws files of texts by their paths: of a class each, or in folders of classes, in which much may be wrong."""
    names = draw(
        st.sampled_from(
            [
                ("r.neg", "r.pos"),
                ("neg.txt", "pos.txt", "README"),
                ("a/1.txt", "a/2.txt", "b/1.txt", "b/2.TXT", "c.txt"),
                ("train/a/1.txt", "train/b/1.txt", "test/a/1.txt", "val/b/.txt"),
            ]
        )
    )
    lines = ["a good film", "a dull film", "", "\ufeffx", "\u2028", "\r", "\0", "word " * 50, "😀 día 好"]
    files = {}
    for name in names:
        text = "\n".join(draw(st.lists(st.sampled_from(lines) | st.text(max_size=20), max_size=30)))
        encoding = draw(st.sampled_from(["utf-8", "utf-16", "cp1252"]))
        files[name] = text.encode(encoding, "replace")
    return files


@st.composite
def text_lists(draw: st.DrawFn) -> Any:
    """Draws pairs of texts and answers, in which much may be wrong."""
    length = draw(st.integers(0, 30))
    some = st.sampled_from(["a good film", "a dull film", "", None, "\ud800", float("nan"), 3, b"x"]) | st.text(
        max_size=9
    )
    found = draw(st.lists(some, min_size=length, max_size=length))
    answers = draw(st.lists(st.sampled_from(["a", "b", 1, 2.5, None, 1e400]), min_size=length, max_size=length + 1))
    pair = (np.array(found, object) if draw(st.booleans()) else found, answers)
    return {draw(st.sampled_from(["train", "test"])): pair} if draw(st.booleans()) else pair


def _load_texts(path: Path) -> object:
    choose("auto", path, {})
    return texts.load(path)


def _load_text_files(files: dict[str, bytes], folder: Path) -> None:
    with _workspace(folder) as space:
        for name, content in files.items():
            (space / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (space / "data" / name).write_bytes(content)
        choose("auto", space / "data", {})
        refused(lambda: texts.load(space / "data"))
