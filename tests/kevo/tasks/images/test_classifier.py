"""A saved classifier in use."""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import kevo
from kevo.errors import DataError, ModelError
from kevo.tasks.images import datasets, networks
from kevo.tasks.images.classifier import Classifier
from kevo.tasks.images.datasets import Skipped
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, stripes
from tests.support.searches import SETTINGS

NAMES = ["level", "none", "upright"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders, without splits."""
    root = tmp_path_factory.mktemp("pictures")
    for number, (picture, label) in enumerate(zip(*stripes(90), strict=True)):
        path = root / ("upright", "level", "none")[label] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    return root


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched") / "run"
    kevo.search(pictures, dataclasses.replace(SETTINGS, max_trials=1, num_finalists=1, seed=5), out=folder)
    return folder


@pytest.fixture(scope="module")
def classifier(run: Path) -> Classifier:
    return Classifier.open(run)


def saved(folder: Path, model: keras.Model, names: list[str] | None = None) -> Path:
    model.save(folder / "model.keras")
    if names is not None:
        (folder / "labels.json").write_text(json.dumps(names))
    return folder / "model.keras"


def conv(num_classes: int = 3) -> keras.Model:
    keras.utils.set_random_seed(0)
    return networks.conv_network(CONV_GENOME, output=classes(num_classes))


def test_is_what_kevo_offers() -> None:
    assert kevo.Classifier is Classifier


def test_predicts_files_and_folders_in_order(classifier: Classifier, pictures: Path) -> None:
    found = list(classifier.predict([pictures / "upright" / "3.png", pictures / "level"]))
    assert found[0].path == str(pictures / "upright" / "3.png")
    # In natural order: 4 comes before 10.
    assert [int(Path(one.path).stem) for one in found[1:]] == list(range(1, 90, 3))
    assert classifier.class_names == tuple(NAMES)
    model = keras.models.load_model(classifier._run.path / "best.keras", safe_mode=True)
    for one in found:
        pixels = np.asarray(Image.open(one.path))
        expected = model.predict(pixels[None], verbose=0)[0]
        assert list(one.probabilities.values()) == sorted(one.probabilities.values(), reverse=True)
        assert [one.probabilities[name] for name in NAMES] == pytest.approx(expected.tolist(), abs=1e-5)
        assert one.label == NAMES[expected.argmax()] and one.probability == one.probabilities[one.label]


def test_arrays_are_predicted_as_their_files_are(
    classifier: Classifier, run: Path, pictures: Path, tmp_path: Path
) -> None:
    files = sorted(pictures.rglob("*.png"))[:3]
    array = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files])
    found = list(classifier.predict(array))
    assert [one.path for one in found] == ["0", "1", "2"]
    assert [one.probabilities for one in found] == [one.probabilities for one in classifier.predict(files)]
    with pytest.raises(DataError, match="Expected .n, height, width"):
        list(classifier.predict(array[0, 0]))
    with pytest.raises(DataError, match="Grad-CAM draws into pictures of files"):
        list(classifier.predict(array, grad_cam=tmp_path))
    again = kevo.SearchResult.open(run).classifier
    assert isinstance(again, Classifier) and again.class_names == classifier.class_names


def odd_pictures(folder: Path) -> list[Path]:
    """Pictures that readers disagree on."""
    rng = np.random.default_rng(3)
    colors = rng.integers(0, 256, (30, 50, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = np.dstack([colors, rng.integers(0, 256, (30, 50)).astype(np.uint8)])
    palette = Image.fromarray(colors).quantize(16)
    deep = rng.integers(0, 4000, (30, 50)).astype(np.uint16)
    kinds: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "turned.jpg": (Image.fromarray(colors), {"exif": exif}),
        "large.jpg": (Image.fromarray(colors).resize((900, 700)), {"exif": exif}),
        "transparent.png": (Image.fromarray(alpha), {}),
        "palette.png": (palette, {"transparency": 3}),
        "deep.png": (Image.fromarray(deep), {}),
        "floats.tif": (Image.fromarray(deep.astype(np.float32) / 4000), {}),
        "grey.png": (Image.fromarray(colors[..., 0]), {}),
        "ink.jpg": (Image.fromarray(colors).convert("CMYK"), {}),
    }
    for name, (image, options) in kinds.items():
        image.save(folder / name, **options)
    return [folder / name for name in kinds]


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("whites", [{"integers": None, "floats": None}, {"integers": 4095, "floats": 1}])
def test_all_ways_to_read_a_picture_are_one(run: Path, whites: dict[str, int], crop: bool, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    contract = json.loads((folder / "task.json").read_text())
    plain = {"task": "images", "image_size": 16, "crop": False, "whites": {"integers": None, "floats": None}}
    assert contract == plain
    (folder / "task.json").write_text(json.dumps({**contract, "whites": whites, "crop": crop}))
    # The recipe on the model card, which needs no kevo, up to its prediction.
    card = (folder / "model_card.md").read_text()
    recipe = card.partition("```python\n")[2].partition("```")[0].partition("outputs =")[0]
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        exec(recipe, names)
    classifier = Classifier.open(folder)
    for path in odd_pictures(tmp_path):
        picture = kevo.read_picture(path, model=folder)
        assert picture.shape == (16, 16, 3)
        np.testing.assert_array_equal(names["read_picture"](path), picture, err_msg=path.name)
        expected = classifier.probabilities(picture[None])[0]
        (found,) = classifier.predict(path)
        assert [found.probabilities[name] for name in NAMES] == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_search_keeps_its_white_for_predictions(tmp_path: Path) -> None:
    for number, (picture, label) in enumerate(zip(*stripes(30), strict=True)):
        path = tmp_path / "deep" / ("upright", "level", "none")[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[..., 0].astype(np.uint16) * 16).save(path)
    run = tmp_path / "run"
    kevo.search(tmp_path / "deep", dataclasses.replace(SETTINGS, max_trials=1, num_finalists=1), out=run)
    assert json.loads((run / "task.json").read_text())["whites"] == {"integers": 4095, "floats": None}
    dark = np.full((24, 24), 160, np.uint16)
    Image.fromarray(dark).save(tmp_path / "dark.png")
    np.testing.assert_array_equal(kevo.read_picture(tmp_path / "dark.png", model=run), 10)


@pytest.mark.parametrize(("fit", "crop"), [(None, True), ("crop", True), ("squash", False)])
def test_photographs_are_seen_as_they_were_learned_from(fit: str | None, crop: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, (picture, label) in enumerate(zip(*stripes(30), strict=True)):
        path = tmp_path / "photographs" / ("upright", "level", "none")[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        wide = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
        wide[:, 16:-16] = np.kron(picture, np.ones((6, 6, 1), np.uint8))
        Image.fromarray(wide).save(path)
    settings = dataclasses.replace(SETTINGS, max_trials=1, num_finalists=1, options={} if fit is None else {"fit": fit})
    found = kevo.search(tmp_path / "photographs", settings, out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "task.json").read_text())["crop"] is crop
    notes = (tmp_path / "run" / "notes.jsonl").read_text()
    assert ("their middle is taken; --fit squash" in notes) is (fit is None)
    picture = kevo.read_picture(path, model=tmp_path / "run")
    assert np.array_equal(picture, np.asarray(Image.open(path).resize((128, 128), 2))) is not crop
    raw = np.asarray(Image.open(path))[None]
    assert found.best_model.predict(raw, verbose=0) == pytest.approx(
        found.best_model.predict(picture[None], verbose=0), abs=0.02
    )
    # The same pictures again: the division is that of the search.
    again = Classifier.open(tmp_path / "run").evaluate(tmp_path / "photographs", split="test")
    assert again.scores.accuracy == pytest.approx(found.test.accuracy)


def test_pictures_that_cannot_be_read_are_one_error(run: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for path, message in (
        (tmp_path / "text.png", "is text and no picture"),
        (tmp_path / "none.png", "cannot be found"),
        (tmp_path, "is a folder. Expected the file of one picture"),
    ):
        with pytest.raises(DataError, match=message):
            kevo.read_picture(path, model=run)
    shutil.copy(run / "best.keras", tmp_path)
    contract = json.loads((run / "task.json").read_text())
    for change in (
        {"image_size": 10**6},
        {"image_size": "8"},
        {"crop": 1},
        {"whites": {"integers": 0, "floats": None}},
    ):
        (tmp_path / "task.json").write_text(json.dumps({**contract, **change}))
        with pytest.raises(ModelError, match="does not say how a model's pictures are read"):
            kevo.read_picture(tmp_path / "text.png", model=tmp_path / "best.keras")


def test_a_picture_is_predicted_alike_in_any_company(classifier: Classifier, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        height, width = rng.integers(8, 60, 2)
        pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    together = list(classifier.predict(tmp_path))
    alone = [next(classifier.predict(one.path)) for one in together[::8]]
    for one, other in zip(together[::8], alone, strict=True):
        assert one.path == other.path
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_what_is_no_picture_is_named_and_stepped_over(classifier: Classifier, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    shutil.copy(pictures / "level" / "1.png", tmp_path / "deep" / "deeper")
    (tmp_path / "deep" / "circle").symlink_to(tmp_path)
    (tmp_path / "words.txt").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / ".hidden.jpg").write_text("ignored")
    os.mkfifo(tmp_path / "pipe.png")
    skipped: list[Skipped] = []
    found = list(classifier.predict([tmp_path, tmp_path / "absent.png"], skip=skipped.append))
    assert [Path(one.path).name for one in found] == ["1.png"]
    assert [(Path(one.path).name, one.reason) for one in skipped] == [
        ("circle", "is a link to a folder that it lies in"),
        ("empty.jpg", "is empty"),
        ("pipe.png", "is no file"),
        ("words.txt", "is text and no picture"),
        ("absent.png", "cannot be found: No such file or directory"),
    ]
    with pytest.raises(DataError, match=r"words\.txt is text and no picture\. Leave it out"):
        list(classifier.predict(tmp_path / "words.txt"))


def test_draws_what_speaks_for_the_class(classifier: Classifier, pictures: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        shutil.copy(pictures / "level" / "1.png", tmp_path / folder)
    turned = Image.new("RGB", (40, 20), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "two" / "turned.jpg", exif=exif)
    found = list(classifier.predict([tmp_path / "one", tmp_path / "two"], grad_cam=tmp_path / "two"))
    drawn = [one.grad_cam for one in found if one.grad_cam]
    assert [path.name for path in drawn] == ["1-grad-cam.png", "1-grad-cam-2.png", "turned-grad-cam.png"]
    # Picture and heat side by side, upright and in proportion; what was in the folder is as it was.
    assert [Image.open(path).size for path in drawn] == [(896, 448), (896, 448), (448, 448)]
    assert (tmp_path / "two" / "1.png").read_bytes() == (pictures / "level" / "1.png").read_bytes()


def test_scores_as_the_search_did(classifier: Classifier, run: Path, pictures: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    scored = classifier.evaluate(pictures)
    assert (scored.data, scored.split, scored.is_familiar) == (pictures.name, "test", False)
    assert dataclasses.asdict(scored.scores) == result["test"]
    if not result["is_refit"]:
        assert dataclasses.asdict(classifier.evaluate(pictures, split="validation").scores) == result["validation"]
    with pytest.raises(DataError, match="has no tests split, only: train"):
        classifier.evaluate(pictures, split="tests")
    everything = classifier.evaluate(pictures, split="all")
    assert everything.scores.num_examples == 90 and everything.is_familiar


def test_pictures_that_the_model_has_seen_are_counted(
    classifier: Classifier, run: Path, pictures: Path, tmp_path: Path
) -> None:
    num_test = json.loads((run / "result.json").read_text())["test"]["num_examples"]
    shutil.copytree(pictures, tmp_path / "more")
    (new,) = stripes(1, seed=9)[0]
    Image.fromarray(new).save(tmp_path / "more" / "upright" / "new.png")
    scored = classifier.evaluate(tmp_path / "more")
    assert (scored.scores.num_examples, scored.num_familiar) == (91, 90 - num_test)
    assert scored.is_familiar
    assert classifier.evaluate(pictures).num_familiar == 0
    Image.fromarray(new).save(tmp_path / "new.png")
    only = classifier.evaluate((new[np.newaxis], ["upright"]))
    assert (only.num_familiar, only.is_familiar) == (0, False)


def test_a_model_apart_from_its_search_scores_all_pictures(run: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copy(run / "best.keras", tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    scored = Classifier.open(tmp_path / "best.keras", labels=tmp_path / "names.txt").evaluate(pictures)
    assert (scored.split, scored.scores.num_examples, scored.is_familiar) == ("all", 90, False)


def test_other_pictures_are_matched_by_name(classifier: Classifier, tmp_path: Path) -> None:
    values, labels = stripes(12, seed=1)
    words = np.array(["upright", "level", "none"])[labels]
    split = {"train": (values[:6], words[:6]), "test": (values[6:], words[6:])}
    scored = classifier.evaluate(split)
    expected = classifier.probabilities(values[6:]).argmax(axis=1)
    assert (scored.split, scored.scores.num_examples) == ("test", 6)
    assert scored.scores.accuracy == np.mean(np.array(NAMES)[expected] == words[6:])
    assert classifier.evaluate(split, split="all").scores.num_examples == 12
    # Numbers with names, in another order; and one class alone, of which there are too few pictures for splits.
    np.savez(tmp_path / "some.npz", x=values, y=labels, class_names=["upright", "level", "none"])
    assert classifier.evaluate(tmp_path / "some.npz").scores.support == dict.fromkeys(NAMES, 4)
    one = classifier.evaluate((values[labels == 0][:2], words[labels == 0][:2]))
    assert one.scores.support == {"level": 0, "none": 0, "upright": 2}


def test_classes_and_splits_that_do_not_fit_are_one_error(classifier: Classifier, tmp_path: Path) -> None:
    values, labels = stripes(6)
    words = np.array(["upright", "level", "a slope"])[labels]
    with pytest.raises(DataError, match=r"pictures of 'a slope', which the model does not know.*'level', 'none', 'up"):
        classifier.evaluate((values, words))
    with pytest.raises(DataError, match="has no validation split, only: train"):
        classifier.evaluate((values[:2], words[:2]), split="validation")
    np.savez(tmp_path / "some.npz", x=values, y=labels + 1, class_names=NAMES)
    with pytest.raises(DataError, match="label 3 is no position"):
        classifier.evaluate(tmp_path / "some.npz")


def test_pictures_are_read_at_the_size_that_a_model_asks_for(pictures: Path, tmp_path: Path) -> None:
    path = pictures / "level" / "1.png"
    fixed = Classifier.open(saved(tmp_path, conv(), NAMES))
    assert fixed.image_size == 16
    Image.open(path).resize((50, 40), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    small = datasets.pictures.decode(
        [next(iter(datasets.loose.find([tmp_path / "large.png"])))], image_size=16, limits=datasets.Limits()
    ).pictures
    (found,) = fixed.predict(tmp_path / "large.png")
    assert [found.probabilities[name] for name in NAMES] == pytest.approx(conv()(small)[0].numpy().tolist(), abs=1e-5)
    oblong = keras.Input((16, 24, 3))
    flat = layers.Dense(3, activation="softmax")(layers.Flatten()(oblong))
    assert Classifier(keras.Model(oblong, flat), class_names=NAMES).probabilities(small).shape == (1, 3)


def test_a_candidate_of_a_search_has_its_class_names(run: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(run / "labels.json", tmp_path)
    shutil.copy(run / "best.keras", tmp_path / "checkpoints" / "0000.keras")
    assert Classifier.open(tmp_path / "checkpoints" / "0000.keras").class_names == tuple(NAMES)


def lambda_model() -> keras.Model:
    pixels = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Lambda(lambda value: value)(pixels))
    return keras.Model(pixels, layers.Dense(3, activation="softmax")(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent.keras", "There is no model .*absent.keras"),
        (lambda folder: folder, "holds no best.keras"),
        (lambda folder: saved(folder, lambda_model(), NAMES), "refused: it holds code, in a Lambda layer"),
        (lambda folder: saved(folder, conv(2), NAMES), "has 2 outputs, and there are 3 names of them"),
        (lambda folder: saved(folder, conv()), "has no labels.json beside it. Name its classes: --labels FILE"),
        (lambda folder: saved(folder, conv(), ["a", "a", "b"]), "labels.json holds no class names"),
        (lambda folder: h5(folder), "model.h5 is no .keras file"),
        (
            lambda folder: broken(folder),
            r"Cannot open .*model.keras as a model: Could not deserialize 'keras.layers.Evil\?\[2J",
        ),
        (lambda folder: text(folder), "model.keras is no .keras file"),
        (lambda folder: saved(folder, vector(), NAMES), r"takes inputs of the shape \(None, 5\). Expected RGB pixels"),
        (lambda folder: saved(folder, mapped(), NAMES), r"has outputs of the shape \(None, None, None, 3\)"),
    ],
)
def test_a_file_that_is_no_classifier_is_refused_in_one_line(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        Classifier.open(make(tmp_path))
    assert "\n" not in str(caught.value)


def h5(folder: Path) -> Path:
    conv().save(folder / "model.h5")
    return folder / "model.h5"


def text(folder: Path) -> Path:
    (folder / "model.keras").write_text("no archive")
    return folder / "model.keras"


def broken(folder: Path) -> Path:
    """A model that names a layer which Keras does not bring."""
    import zipfile

    path = saved(folder, conv(), NAMES)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b'"GlobalAveragePooling2D"', b'"Evil\\u001b[2J\\nLayer"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def vector() -> keras.Model:
    values = keras.Input((5,))
    return keras.Model(values, layers.Dense(3, activation="softmax")(values))


def mapped() -> keras.Model:
    pixels = keras.Input((None, None, 3))
    return keras.Model(pixels, layers.Conv2D(3, 1)(pixels))


def test_outputs_that_are_no_probabilities_are_refused(pictures: Path) -> None:
    pixels = keras.Input((None, None, 3))
    scores = keras.Model(pixels, layers.Dense(3)(layers.GlobalAveragePooling2D()(pixels)))
    with pytest.raises(ModelError, match="are no class probabilities"):
        next(Classifier(scores, class_names=NAMES).predict(pictures))
