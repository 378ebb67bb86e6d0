"""Folders, zips and CSVs: every layout that is read, and one clear error for each that is not."""

import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset, Limits, Split
from kevo.tasks.images.datasets.files import list_csv

SIDE = 8
SHADES = {"cat": 0, "dog": 60, "emu": 120}


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (SIDE, SIDE), shade).save(stream, "PNG")
    return stream.getvalue()


def pictures(
    prefix: str = "", *, num: int = 6, first: int = 0, classes: Mapping[str, int] = SHADES
) -> dict[str, bytes]:
    """Files whose shade says class and number: 60 shades for each class."""
    return {
        f"{prefix}{name}/{number}.png": png(shade + number)
        for name, shade in classes.items()
        for number in range(first, first + num)
    }


def given_splits(validation: str = "validation") -> dict[str, bytes]:
    return {
        **pictures("train/"),
        **pictures(f"{validation}/", num=2, first=10),
        **pictures("test/", num=3, first=20),
    }


def folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    target = path / "pictures.zip"
    with zipfile.ZipFile(target, "w") as written:
        for name, content in files.items():
            written.writestr(name, content)
    return target


def table(path: Path, text: str) -> Path:
    target = path / "pictures.csv"
    target.write_text(text)
    return target


def shades(split: Split) -> list[int]:
    return [int(shade) for shade in split.pictures[:, 0, 0, 0]]


def skipped(dataset: ImageDataset) -> dict[str, str]:
    return {one.path: one.reason for one in dataset.skipped}


Make = Callable[[Path, Mapping[str, bytes]], Path]
both = pytest.mark.parametrize("make", [folder, archive])


@both
def test_class_folders(make: Make, tmp_path: Path) -> None:
    dataset = datasets.load(make(tmp_path, pictures()))
    assert dataset.class_names == ("cat", "dog", "emu")
    assert dataset.image_size == SIDE
    assert dataset.made_splits == ("validation", "test")
    assert dataset.skipped == ()
    everything = [split for split in (dataset.train, dataset.validation, dataset.test)]
    assert sorted(shade for split in everything for shade in shades(split)) == [
        shade + number for shade in SHADES.values() for number in range(6)
    ]
    for split in everything:
        assert [shade // 60 for shade in shades(split)] == split.labels.tolist()
        assert split.labels.dtype == np.int64


@both
@pytest.mark.parametrize("validation", ["validation", "val", "Valid"])
def test_given_splits_are_kept(make: Make, validation: str, tmp_path: Path) -> None:
    dataset = datasets.load(make(tmp_path, given_splits(validation)))
    assert dataset.made_splits == ()
    assert shades(dataset.train) == [0, 1, 2, 3, 4, 5, 60, 61, 62, 63, 64, 65, 120, 121, 122, 123, 124, 125]
    assert shades(dataset.validation) == [10, 11, 70, 71, 130, 131]
    assert shades(dataset.test) == [20, 21, 22, 80, 81, 82, 140, 141, 142]
    assert dataset.test.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@both
@pytest.mark.parametrize(("given", "made"), [("test", "validation"), ("validation", "test")])
def test_a_missing_split_is_made_from_train(make: Make, given: str, made: str, tmp_path: Path) -> None:
    source = make(tmp_path, pictures("train/") | pictures(f"{given}/", num=2, first=30))
    dataset = datasets.load(source)
    assert dataset.made_splits == (made,)
    assert shades(getattr(dataset, given)) == [30, 31, 90, 91, 150, 151]
    assert len(getattr(dataset, made)) == 3
    assert len(dataset.train) == 15


@both
def test_one_folder_around_everything_is_passed_through(make: Make, tmp_path: Path) -> None:
    files = {f"download/data/{name}": content for name, content in given_splits().items()}
    dataset = datasets.load(make(tmp_path, {**files, "download/README.md": b"words"}))
    assert len(dataset.test) == 9
    assert skipped(dataset) == {"download/README.md": "lies in no class folder"}


@both
def test_litter_is_ignored(make: Make, tmp_path: Path) -> None:
    litter = (
        "cat/.DS_Store",
        "dog/Thumbs.db",
        "__MACOSX/cat/._0.png",
        ".git/config",
        "cat/.hidden/a.png",
        "desktop.ini",
    )
    dataset = datasets.load(make(tmp_path, pictures() | dict.fromkeys(litter, b"litter")))
    assert dataset.class_names == ("cat", "dog", "emu")
    assert dataset.skipped == ()


@both
def test_what_is_no_picture_is_skipped_and_named(make: Make, tmp_path: Path) -> None:
    broken = {
        "cat/10.png": b"",
        "cat/9.txt": b"words",
        "dog/cut.png": png(3)[:50],
        "emu/vector.svg": b"<svg/>",
        "list.txt": b"words",
    }
    dataset = datasets.load(make(tmp_path, pictures() | broken))
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 18
    reasons = skipped(dataset)
    assert list(reasons) == ["cat/9.txt", "cat/10.png", "dog/cut.png", "emu/vector.svg", "list.txt"]
    assert reasons["cat/10.png"] == "is empty"
    assert reasons["cat/9.txt"] == "is text and no picture"
    assert reasons["emu/vector.svg"] == "is SVG: convert it to JPEG or PNG"
    assert reasons["list.txt"] == "lies in no class folder"
    assert dataset.summary().endswith("; 5 skipped")


@both
def test_what_stands_beside_the_splits_is_skipped_and_named(make: Make, tmp_path: Path) -> None:
    beside = {"extra/cat/0.png": png(0), "README.md": b"words", "train/labels.csv": b"words"}
    dataset = datasets.load(make(tmp_path, given_splits() | beside))
    assert skipped(dataset) == {
        "extra/": "stands beside the folders of the splits",
        "README.md": "stands beside the folders of the splits",
        "train/labels.csv": "lies in no class folder",
    }


@both
def test_folders_inside_a_class_belong_to_it(make: Make, tmp_path: Path) -> None:
    deep = {"cat/more/deeper/7.png": png(7), "cat/more/8.png": png(8)}
    dataset = datasets.load(make(tmp_path, pictures() | deep))
    assert dataset.class_names == ("cat", "dog", "emu")
    splits = (dataset.train, dataset.validation, dataset.test)
    assert sorted(shade for split in splits for shade in shades(split) if shade < 60) == [0, 1, 2, 3, 4, 5, 7, 8]


@both
def test_classes_are_sorted_as_keras_does_and_pictures_as_people_do(make: Make, tmp_path: Path) -> None:
    files = {
        f"train/{name}/{number}.png": png(number) for name in ("class10", "class9", "Class1") for number in range(12)
    }
    dataset = datasets.load(
        make(tmp_path, dict(reversed(files.items())) | {f"test/{n[6:]}": c for n, c in files.items()})
    )
    assert dataset.class_names == ("Class1", "class10", "class9")
    assert shades(dataset.test) == [*range(12)] * 3


@both
def test_a_class_may_be_called_test(make: Make, tmp_path: Path) -> None:
    dataset = datasets.load(make(tmp_path, pictures(classes={"test": 0, "cat": 60})))
    assert dataset.class_names == ("cat", "test")


@both
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"0.png": png(0)}, r"has no class folders. Expected one folder of pictures for each class"),
        (pictures(classes={"cat": 0}), r"Found 1 class \(cat\). Expected at least two"),
        ({"train/0.png": png(0), "train/1.png": png(1)}, r"has no class folders in train/"),
        (pictures() | {"fox/.keep": b""}, r"The class folder fox/ in .* is empty. Fill it, or remove it"),
        (pictures("train/") | {"test/cat/.keep": b""}, r"The class folder test/cat/ in .* is empty"),
        (pictures() | {"fox/0.png": b"words"}, r"no picture to train on of the class 'fox'. Add some that can be read"),
        (
            pictures(num=2),
            r"class 'cat' has too few different pictures: 2. Expected at least 3, one each for train, val",
        ),
        (
            pictures("train/") | pictures("test/") | {"test/fox/0.png": png(0)},
            r"no picture to train on of the class 'fox'",
        ),
        (
            pictures("train/") | {"test/cat/0.png": b""},
            r"has no test picture that can be read. test/cat/0.png is empty",
        ),
        (pictures("train/") | pictures("val/") | pictures("validation/"), r"both are the validation split. Keep one"),
        (pictures("val/") | pictures("test/"), r"test, val stand without a train/ folder beside them"),
        (
            {"cat/0.png": b"", "dog/0.png": b"x"},
            r"has no train picture that can be read. cat/0.png is empty. dog/0.png is text",
        ),
    ],
)
def test_other_layouts_are_refused(make: Make, files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        datasets.load(make(tmp_path, files))


@both
def test_a_class_by_almost_the_same_name_is_named(make: Make, tmp_path: Path) -> None:
    files = {**pictures("train/"), **pictures("test/", first=30, classes={"Cat": 0, "dog": 60})}
    with pytest.raises(DataError, match="of the class 'Cat'. 'Cat' and 'cat' are two names: call them the same if"):
        datasets.load(make(tmp_path, files))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no class folders"):
        datasets.load(tmp_path)


def test_an_empty_class_folder_in_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The class folder fox/ in .* is empty"):
        datasets.load(archive(tmp_path, pictures() | {"fox/": b""}))


def test_links_are_followed_but_never_in_a_circle(tmp_path: Path) -> None:
    elsewhere = folder(tmp_path / "elsewhere", pictures(classes={"emu": 120}))
    source = folder(tmp_path / "source", pictures(classes={"cat": 0, "dog": 60}))
    (source / "emu").symlink_to(elsewhere / "emu")
    (source / "cat" / "7.png").symlink_to(elsewhere / "emu" / "0.png")
    (source / "dog" / "round").symlink_to(source)
    (source / "dog" / "gone.png").symlink_to(tmp_path / "nowhere")
    dataset = datasets.load(source)
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 19
    assert skipped(dataset) == {
        "dog/gone.png": "cannot be found: No such file or directory",
        "dog/round/": "is a link to a folder that it lies in",
    }


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    source = folder(tmp_path, pictures())
    os.mkfifo(source / "cat" / "pipe.png")
    assert skipped(datasets.load(source)) == {"cat/pipe.png": "is no file"}


def test_names_that_are_no_text_are_spelled_out(tmp_path: Path) -> None:
    source = folder(tmp_path, pictures())
    os.rename(source / "cat", os.fsencode(source) + b"/caf\xe9")
    dataset = datasets.load(source)
    assert dataset.class_names == ("caf\\xe9", "dog", "emu")


@pytest.mark.parametrize(
    "name", ["../cat/0.png", "cat/../../0.png", "/cat/0.png", "C:/cat/0.png", "cat\\..\\..\\0.png"]
)
def test_a_zip_that_reaches_out_of_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is refused: its member .* lies outside of its folder"):
        datasets.load(archive(tmp_path, pictures() | {name: png(0)}))


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path, pictures())
    link = zipfile.ZipInfo("cat/passwords.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source, "a") as written:
        written.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="its member 'cat/passwords.png' is a link"):
        datasets.load(source)


def test_a_zip_without_an_end_of_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lies 20001 folders deep"):
        datasets.load(archive(tmp_path, pictures() | {"a/" * 20_000 + "0.png": png(0)}))


def test_windows_separators_in_a_zip(tmp_path: Path) -> None:
    files = {name.replace("/", "\\"): content for name, content in pictures().items()}
    assert datasets.load(archive(tmp_path, files)).class_names == ("cat", "dog", "emu")


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path, pictures())
    content = bytearray(source.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"is encrypted \(cat/0.png\). Unpack it with its password"):
        datasets.load(source)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06"])
def test_what_is_no_zip_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "pictures.zip").write_bytes(content)
    with pytest.raises(DataError, match="Cannot read .* as a zip archive: .*. Make or download it again"):
        datasets.load(tmp_path / "pictures.zip")


def test_half_a_zip_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path, pictures())
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(DataError, match="as a zip archive"):
        datasets.load(source)


def bomb(path: Path, num_bytes: int) -> Path:
    target = path / "bomb.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name in ("cat/0.png", "dog/0.png"):
            written.writestr(name, bytes(num_bytes))
    return target


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    source = bomb(tmp_path, 2_000_000)
    with pytest.raises(
        DataError, match=r"to 4,000,000 bytes, as a zip bomb does. At most [0-9]{3},[0-9]{3} bytes are allowed"
    ):
        datasets.load(source, limits=Limits(max_file_bytes=100_000))
    with pytest.raises(DataError, match=r"as a zip bomb does. At most 3,000,000 bytes are allowed"):
        datasets.load(source, limits=Limits(max_archive_bytes=3_000_000))


def test_small_zips_may_shrink_as_they_like(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no train picture that can be read. cat/0.png is no picture"):
        datasets.load(bomb(tmp_path, 2_000_000))


def test_a_zip_that_lies_about_its_sizes_costs_one_picture(tmp_path: Path) -> None:
    source = archive(tmp_path, pictures())
    content = bytearray(source.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 20)
    source.write_bytes(content)
    assert list(skipped(datasets.load(source))) == ["cat/0.png"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_member_takes_no_more_memory_than_it_states(method: int, tmp_path: Path) -> None:
    source = tmp_path / "pictures.zip"
    with zipfile.ZipFile(source, "w", method) as written:
        for name, content in pictures().items():
            written.writestr(name, content)
        written.writestr("cat/long.png", bytes(16_000_000))
        # What stands in the directory at the end of the archive.
        written.getinfo("cat/long.png").file_size = 1000
    tracemalloc.start()
    reasons = skipped(datasets.load(source))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reasons == {"cat/long.png": "is broken: it states 1,000 bytes and holds more"}
    assert peak < 8_000_000


@pytest.mark.parametrize("suffix", [".csv", ".zip", ".npz"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"data{suffix}"
    if kind == "folder":
        path.mkdir()
        with pytest.raises(DataError, match="has no class folders"):
            datasets.load(path)
        return
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=f"{path} is no file but a {kind}. Write what it holds to a file"):
        datasets.load(path)


def test_a_zip_member_too_long_is_skipped(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    source = archive(tmp_path, pictures() | {"cat/long.png": stream.getvalue()})
    assert skipped(datasets.load(source, limits=Limits(max_file_bytes=2000))) == {
        "cat/long.png": "is larger than 2,000 bytes"
    }


def test_a_zip_with_too_many_members_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 18 files and folders, more than the 17 allowed"):
        datasets.load(archive(tmp_path, pictures()), limits=Limits(max_members=17))


def test_damage_inside_a_zip_costs_one_picture(tmp_path: Path) -> None:
    source = archive(tmp_path, pictures())
    content = bytearray(source.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 0xFF
    source.write_bytes(content)
    reasons = skipped(datasets.load(source))
    assert list(reasons) == ["cat/0.png"]
    assert "Bad CRC-32" in reasons["cat/0.png"]


def rows(files: Mapping[str, bytes], *, split: bool = False) -> str:
    lines = []
    for name in files:
        *above, label, _ = name.split("/")
        lines.append(",".join([name, label.upper(), *(above if split else [])]))
    return "\n".join(lines)


def test_csv(tmp_path: Path) -> None:
    folder(tmp_path / "inner", pictures())
    text = rows({f"inner/{name}": content for name, content in pictures().items()})
    dataset = datasets.load(table(tmp_path, f"path,label\n{text}\n\n"))
    assert dataset.class_names == ("CAT", "DOG", "EMU")
    assert dataset.made_splits == ("validation", "test")
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 18


def test_csv_with_splits_other_columns_and_a_mark(tmp_path: Path) -> None:
    folder(tmp_path, given_splits())
    text = rows(given_splits(), split=True).replace(",train", ",")
    dataset = datasets.load(table(tmp_path, "\N{ZERO WIDTH NO-BREAK SPACE}" + f"Path, Label ,split\n{text}\n"))
    assert dataset.made_splits == ()
    assert list(map(len, (dataset.train, dataset.validation, dataset.test))) == [18, 6, 9]


def test_csv_rows_keep_their_order_and_may_lie_anywhere(tmp_path: Path) -> None:
    elsewhere = folder(tmp_path / "elsewhere", pictures())
    (tmp_path / "here").mkdir()
    train = [f"{elsewhere}/{name},{name[:3]},train" for name in reversed(pictures())]
    others = [f"../elsewhere/{name},{name[:3]},{split}" for split in ("val", "test") for name in pictures(num=1)]
    dataset = datasets.load(table(tmp_path / "here", "\n".join(["path,label,split", *others, *train])))
    assert shades(dataset.train)[:7] == [125, 124, 123, 122, 121, 120, 65]


def test_a_name_that_is_too_long_for_a_file_is_skipped(tmp_path: Path) -> None:
    rows = [f"{name}.png,{name}" for name in ("cat", "dog")]
    for name in ("cat", "dog"):
        (tmp_path / f"{name}.png").write_bytes(png(0))
    (tmp_path / "pictures.csv").write_text("\n".join(["path,label", *rows, f"{'x' * 300},cat"]))
    listing = list_csv(tmp_path / "pictures.csv")
    assert len(listing.files) == 2 and "cannot be found in" in listing.skipped[0].reason


def test_csv_rows_without_a_file_are_skipped_and_named(tmp_path: Path) -> None:
    folder(tmp_path, pictures())
    text = rows(pictures())
    dataset = datasets.load(table(tmp_path, f"path,label\n{text}\nnowhere.png,CAT\ncat,CAT\n"))
    assert skipped(dataset) == {
        "cat": "is no file",
        "nowhere.png": f"cannot be found in {tmp_path}: No such file or directory",
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_as_other_programs_write_it(delimiter: str, tmp_path: Path) -> None:
    folder(tmp_path, pictures())
    text = rows(pictures()).replace(",", delimiter).replace("/", "\\").replace(".png", "")
    (tmp_path / "dog" / "1.txt").write_text("no picture")
    dataset = datasets.load(table(tmp_path, f"path{delimiter}label\r\n{text}\r\n"))
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 17
    # Two files fit.
    assert skipped(dataset) == {"dog\\1": f"cannot be found in {tmp_path}: No such file or directory"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must begin with the line path,label or path,label,split. Its columns are: none"),
        ("file,class\na.png,cat\n", r"Its columns are: file, class"),
        (
            "path;breed;size\na.png;cat;3\n",
            r"Its columns are: path, breed, size, parted by semicolons.*of their classes",
        ),
        ("path,label\n", r"names no pictures. Expected a row path,label\[,split\] for each"),
        ("path,label\na.png\n", r"Row 2 of .* has no label. Fill it in, or remove the row"),
        ("path,label\na.png,cat\n,dog\n", r"Row 3 of .* has no path"),
        ("path,label,split\na.png,cat,holdout\n", r"Row 2 of .* has the split 'holdout'. Expected train, val"),
        (
            "path,label,split\na.png,cat,test\n",
            r"has no test picture that can be read. a.png cannot be found in .*: No such",
        ),
        (
            "path,label\na.png,cat\nb.png,dog\n",
            r"has no train picture .* a.png cannot be found in .*: .* b.png cannot be found",
        ),
        (f"path,label\n{'a' * 200_000},cat\n", r"Cannot read .* as CSV: field larger than field limit"),
    ],
)
def test_csv_that_cannot_be_used_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        datasets.load(table(tmp_path, text))


def test_csv_with_test_rows_only_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, pictures())
    lines = [f"{line},test" for line in rows(pictures()).splitlines()]
    with pytest.raises(DataError, match="pictures has no train split, only: test. Add one"):
        datasets.load(table(tmp_path, "\n".join(["path,label,split", *lines])))


def test_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures.csv").write_bytes("path,label\nä.png,Bär\n".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8 text: .* at byte 11. Save it as UTF-8"):
        datasets.load(tmp_path / "pictures.csv")


@pytest.mark.parametrize("source", [str, Path])
def test_paths_may_be_text(source: Callable[[Any], Any], tmp_path: Path) -> None:
    assert datasets.load(source(folder(tmp_path / "my pictures", pictures()))).name == "my_pictures"


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"Expected a folder, or a .zip, .csv or .npz file"):
        datasets.load(tmp_path / "pictures.tar")
