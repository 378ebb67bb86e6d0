"""Which folders are splits and which are classes."""

import io

import pytest

from kevo.errors import DataError
from kevo.tasks.images.datasets.folders import Folder
from kevo.tasks.images.datasets.layouts import understand
from kevo.tasks.images.datasets.pictures import File


def tree(*paths: str) -> Folder:
    """A tree of files; of a path that ends in a star there are four."""
    root = Folder()
    for path in paths:
        for one in [path.replace("*", f"{number}.png") for number in range(4)] if "*" in path else [path]:
            *parents, name = one.split("/")
            folder = root
            for parent in parents:
                folder = folder.folder(parent)
            folder.files[name] = File(one, 1, lambda: io.BytesIO(b"x"))
    return root


def meaning(*paths: str) -> dict[str, tuple[str, list[str]]]:
    """For each split its folder and its classes."""
    splits = understand(tree(*paths), "data").splits
    return {split: (folder.path, sorted(folder.folders)) for split, folder in splits.items()}


@pytest.mark.parametrize(
    "classes",
    [("bicycle", "bus", "train"), ("test", "cat"), ("train", "valid", "coach"), ("test tube", "train set", "x")],
)
def test_classes_may_be_called_as_splits_are(classes: tuple[str, ...]) -> None:
    assert meaning(*(f"{name}/*" for name in classes)) == {"train": ("", sorted(classes))}
    deep = [f"{name}/{inner}/*" for name in classes for inner in ("asia", "europe")]
    if classes[0] in ("bicycle", "test"):
        assert meaning(*deep) == {"train": ("", sorted(classes))}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train/train", "test/test"),
        ("Images-Training", "Images-Testing"),
        ("training_set/training_set", "test_set/test_set"),
        ("data/train", "data/test"),
    ],
)
def test_splits_are_found_by_their_names_and_by_what_is_in_them(train: str, test: str) -> None:
    paths = [f"{split}/{name}/*" for split in (train, test) for name in ("cat", "dog")]
    expected = {"train": (f"{train}/", ["cat", "dog"]), "test": (f"{test}/", ["cat", "dog"])}
    assert meaning(*paths) == expected
    if not train.startswith("data"):
        layout = understand(tree(*paths, "seg_pred/seg_pred/*", "README.md"), "data")
        assert {split: folder.path for split, folder in layout.splits.items()} == {
            "train": f"{train}/",
            "test": f"{test}/",
        }
        assert [one.path for one in layout.skipped] == ["README.md", "seg_pred/"]


def test_splits_by_other_names_are_said() -> None:
    paths = [f"seg_{split}/{name}/*" for split in ("train", "test") for name in ("cat", "dog")]
    assert understand(tree(*paths), "data").notes == (
        "The folders are taken for splits: seg_train/ as train, seg_test/ as test.",
    )


@pytest.mark.parametrize("test", ["test/*", "test/unknown/*", "test/test/*"])
def test_a_test_folder_without_classes_is_left_out_and_said(test: str) -> None:
    layout = understand(tree("train/cats/*", "train/dogs/*", test), "data")
    assert list(layout.splits) == ["train"]
    reason = "has no class folder that train/ has: it is left out, and can be predicted afterwards"
    assert [(one.path, one.reason) for one in layout.skipped] == [("test/", reason)]
    assert layout.notes == ()


def test_what_may_mean_two_things_is_refused() -> None:
    with pytest.raises(DataError, match=r"may mean two things: train/ has the folders cats, dogs in it.* beside bus, "):
        understand(tree("train/cats/*", "train/dogs/*", "bus/*", "coach/*"), "data")
    with pytest.raises(DataError, match="both are the train split. Keep one"):
        understand(tree(*(f"{name}/{inner}/*" for name in ("a_train", "b_train", "test") for inner in "xy")), "data")


@pytest.mark.parametrize("other", ["holdout", "eval", "unseen", "bus"])
def test_train_beside_one_folder_with_the_same_folders_is_refused(other: str) -> None:
    paths = [f"{outer}/{inner}/*" for outer in ("train", other) for inner in ("cat", "dog")]
    with pytest.raises(DataError, match=rf"two things: train/ and {other}/ have .* \(cat, dog\).* Call the second"):
        understand(tree(*paths), "data")


def test_dev_is_the_validation_split() -> None:
    paths = [f"{outer}/{inner}/*" for outer in ("train", "dev") for inner in ("cat", "dog")]
    assert meaning(*paths) == {"train": ("train/", ["cat", "dog"]), "validation": ("dev/", ["cat", "dog"])}


def test_classes_with_the_same_folders_in_them_are_doubted() -> None:
    paths = [f"fold_{number}/{inner}/*" for number in (1, 2) for inner in ("cat", "dog")]
    (note,) = understand(tree(*paths), "data").notes
    assert note.startswith("The classes are fold_1, fold_2, and each has the folders cat, dog in it. If those are")
    assert understand(tree(*paths, "fold_1/x.png"), "data").notes == ()
    assert understand(tree(*paths[:-1]), "data").notes == ()


@pytest.mark.parametrize(
    ("image", "mask"), [("images", "masks"), ("img", "gt"), ("Original", "segmentation_masks"), ("images", "labels")]
)
@pytest.mark.parametrize("before", ["", "data/"])
def test_pictures_and_their_masks_are_no_classes(image: str, mask: str, before: str) -> None:
    with pytest.raises(DataError, match=rf"holds pairs of files in {image}/ and {mask}/, as pictures and their masks"):
        understand(tree(f"{before}{image}/*", f"{before}{mask}/*"), "data")
    with pytest.raises(DataError, match="as pictures and their masks"):
        understand(
            tree(*(f"{split}/{name}/*" for split in ("train", "test") for name in (image, mask))),
            "data",
        )
    paths = [f"{image}/{number}.jpg" for number in range(9)] + [f"{mask}/{number}_mask.png" for number in range(9)]
    with pytest.raises(DataError, match="as pictures and their masks"):
        understand(tree(*paths), "data")


def test_classes_with_the_same_file_names_are_classes() -> None:
    assert meaning("mask/*", "no mask/*") == {"train": ("", ["mask", "no mask"])}
