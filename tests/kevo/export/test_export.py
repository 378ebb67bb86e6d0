"""Models in other formats."""

import json
import re
import shutil
import sys
from importlib import util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.errors import ExportError, ModelError, RunError, SettingsError
from kevo.export import Exported, export, exporting
from kevo.export.formats import FORMATS
from kevo.runs.folder import Run
from kevo.runs.ownership import signed
from kevo.tasks.images import datasets, networks
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, pretrained_genome, stripes

NEEDS_ONNX = pytest.mark.skipif(
    any(util.find_spec(name) is None for name in FORMATS["onnx"].packages), reason="needs kevo-automl[onnx]"
)
LABELS = ["across", "down", "none"]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 23, 17, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "stripes.npz"
    x, y = stripes(240)
    np.savez(path, x=x, y=np.array(LABELS)[y])
    return path


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a model that has learned something, and an ensemble of two sizes, one of them mirrored."""
    keras.utils.set_random_seed(0)
    settings = kevo.Settings(workers=0)
    dataset = datasets.load(pictures, seed=settings.seed)
    values = {"data": str(pictures), "fingerprint": dataset.fingerprint(), "search": settings.to_json()}
    run = Run.create(tmp_path_factory.mktemp("runs") / "run", signed(values))
    run.write_labels(LABELS)
    network = networks.conv_network(CONV_GENOME, output=classes(3))
    network.compile("adam", "sparse_categorical_crossentropy")
    network.optimizer.learning_rate = 0.02
    network.fit(dataset.train.pictures, dataset.train.labels, epochs=8, batch_size=16, verbose=0)
    best = networks.deployable(network)
    best.save(run.path / "best.keras")
    other = networks.conv_network({**CONV_GENOME, "conv/image_size": 10, "conv/summary": "flatten"}, output=classes(3))
    members = [networks.Member(best, 0.75), networks.Member(networks.deployable(other, mirror=True), 0.25)]
    networks.weighted_mean(members).save(run.path / "ensemble.keras")
    return run.path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def ran(exported: Exported, pixels: np.ndarray) -> np.ndarray:
    """Runs an export as somebody does who has read no more than the help."""
    path = str(exported.path)
    if exported.format == "keras":
        return keras.models.load_model(path).predict(pixels, verbose=0)
    if exported.format == "savedmodel":
        loaded = tf.saved_model.load(path)
        return loaded.signatures["serving_default"](pixels=tf.constant(pixels))["probabilities"].numpy()
    if exported.format == "onnx":
        import onnxruntime

        return onnxruntime.InferenceSession(path).run(["probabilities"], {"pixels": pixels})[0]
    with pytest.warns(UserWarning, match="deprecated"):
        interpreter = tf.lite.Interpreter(path)
    run = interpreter.get_signature_runner("serving_default")
    return np.concatenate([run(pixels=picture[np.newaxis])["probabilities"] for picture in pixels])


def predicted(path: Path, pixels: np.ndarray) -> np.ndarray:
    return keras.models.load_model(path).predict(pixels, verbose=0)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".export-*")]


@pytest.mark.parametrize(
    ("format", "model"),
    [("keras", "best"), ("tflite", "ensemble"), pytest.param("onnx", "ensemble", marks=NEEDS_ONNX)],
)
def test_an_export_predicts_what_the_model_does(format: str, model: str, run: Path) -> None:
    exported = export(run, format=format, model=model)
    assert exported.path == run / "exports" / f"{model}.{format}"
    assert exported.difference <= 1e-3
    assert exported.compared_on == "32 test pictures of stripes" and exported.notes == ()
    assert exported.latency > 0 and exported.keras_latency > 0 and exported.num_bytes == exported.path.stat().st_size
    assert json.loads((run / "exports" / "labels.json").read_text()) == LABELS
    assert leftovers(run) == []
    height, width = (16, 16) if format == "tflite" else (23, 9)
    assert exported.input_shape == ((1, 16, 16, 3) if format == "tflite" else (None, None, None, 3))
    assert ran(exported, PIXELS[:, :height, :width]) == pytest.approx(
        predicted(run / f"{model}.keras", PIXELS[:, :height, :width]), abs=1e-5
    )


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    genome = pretrained_genome("mobilenet_v2", "block_3_expand_relu", mobilenet_v2__alpha=0.35)
    extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=None))
    head = networks.head(genome, num_features=extractor.output.shape[-1], output=classes(3))
    networks.deployable(networks.join(extractor, head)).save(tmp_path / "small.keras")
    return tmp_path / "small.keras"


def test_a_pretrained_network_in_a_file_of_its_own(pretrained: Path, tmp_path: Path) -> None:
    exported = export(pretrained, format="tflite", out=tmp_path / "out" / "small.tflite")
    assert exported.input_shape == (1, 32, 32, 3) and exported.difference <= 1e-3
    assert exported.compared_on == "16 pictures of random pixels" and "weak check" in exported.notes[0]
    assert exported.labels_path is None and "labels.json" in exported.notes[1]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small.tflite"]


@NEEDS_ONNX
@pytest.mark.parametrize("format", ["onnx", "tflite"])
@pytest.mark.parametrize("is_sequential", [False, True])
def test_models_that_kevo_did_not_make(format: str, is_sequential: bool, tmp_path: Path) -> None:
    # Behind a flip that nobody turns off, dropout and normalization would go on training.
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Resizing(12, 12, antialias=True),
        keras.layers.RandomFlip(),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3, activation="softmax"),
    ]
    entry = keras.Input((None, None, 3))
    model = keras.Sequential([entry, *layers])
    if not is_sequential:
        outputs = entry
        for layer in layers:
            outputs = layer(outputs)
        model = keras.Model(entry, outputs)
    model.save(tmp_path / "theirs.keras")
    exported = export(tmp_path / "theirs.keras", format=format)
    assert exported.difference < 1e-5


def test_whole_numbers_do_about_as_well(run: Path) -> None:
    exported = export(run, format="tflite", quantize="int8", num_calibration=50)
    assert exported.path.name == "best-int8.tflite"
    accuracies = exported.accuracies
    assert accuracies is not None and accuracies.num_examples == 36
    assert accuracies.keras > 0.9 and accuracies.export >= accuracies.keras - 0.02
    with pytest.warns(UserWarning, match="deprecated"):
        interpreter = tf.lite.Interpreter(str(exported.path))
    kinds = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert np.int8 in kinds
    ends = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert [end["dtype"] for end in ends] == [np.float32, np.float32]


def test_whole_numbers_that_do_worse_are_removed(tmp_path: Path) -> None:
    # A fifth of a step of brightness tells the classes apart, which eight bits cannot hold beside 100.
    pixels = keras.Input((8, 8, 3))
    brightness = keras.layers.GlobalAveragePooling2D()(pixels)
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(brightness))
    model.layers[-1].set_weights([np.array([[-20, 20]] * 3), np.array([6006, -6006])])
    model.save(tmp_path / "brightness.keras")
    labels = np.arange(80) % 2
    x = np.full((80, 8, 8, 3), 100, np.uint8) + (np.random.default_rng(0).random((80, 8, 8, 3)) < 0.02)
    x[labels == 1, :2, :] = 101
    np.savez(tmp_path / "data.npz", x=x.astype(np.uint8), y=labels)
    out = tmp_path / "out" / "small.tflite"
    with pytest.raises(ExportError, match=r"accuracy of 0\.\d+ on \d+ test pictures, the Keras model 1\.000"):
        export(tmp_path / "brightness.keras", format="tflite", quantize="int8", data=tmp_path / "data.npz", out=out)
    assert list(out.parent.iterdir()) == []
    assert export(tmp_path / "brightness.keras", format="tflite", data=tmp_path / "data.npz", out=out).path == out
    assert json.loads((out.parent / "labels.json").read_text()) == ["0", "1"]


def test_what_predicts_otherwise_is_removed_and_what_was_there_stays(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = run / "exports" / "best-savedmodel" / "saved_model.pb"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "MAX_DIFFERENCE", -1.0)
        done = CliRunner().invoke(main, ["export", str(run), "--format", "savedmodel"])
    assert done.exit_code == 1 and "does not predict what the Keras model does" in done.stderr
    assert [path for path in (run / "exports").rglob("*") if path.is_file()] == [old] and old.read_text() == "old"
    assert leftovers(run) == []
    # It gives way to its like.
    exported = export(run, format="savedmodel")
    assert exported.path == old.parent and old.stat().st_size > 1000
    assert ran(exported, PIXELS) == pytest.approx(predicted(run / "best.keras", PIXELS), abs=1e-5)
    assert leftovers(run) == []


def test_the_command_prints_what_it_found(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "away" / "model.keras"
    done = CliRunner().invoke(main, ["export", str(run), "--format", "keras", "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["path"] == str(out) and printed["difference"] == 0.0 and printed["accuracies"] is None
    assert printed["num_bytes"] == out.stat().st_size == printed["keras_num_bytes"]


def test_a_missing_package_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FORMATS["onnx"].packages:
        monkeypatch.setitem(sys.modules, name, None)
    done = CliRunner().invoke(main, ["export", str(run), "--format", "onnx"])
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: The format onnx needs tf2onnx, onnx, onnxruntime, which is not installed here. "
        "Install it: pip install 'kevo-automl[onnx]'\n"
    )


def test_pictures_that_are_gone(run: Path) -> None:
    settings = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps(signed({**settings, "data": "\x1b[2Jgone"})))
    done = CliRunner().invoke(main, ["export", str(run), "--format", "keras"])
    assert done.exit_code == 0 and json.loads(done.stdout)["compared_on"] == "16 pictures of random pixels"
    assert "The pictures of the search cannot be used" in done.stderr and "\x1b" not in done.stderr
    with pytest.raises(SettingsError, match="Nothing is quantized by random pixels"):
        export(run, format="tflite", quantize="int8")


def test_hostile_models_and_folders(run: Path, tmp_path: Path) -> None:
    code = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x), keras.layers.Flatten()])
    code.save(run / "best.keras")
    done = CliRunner().invoke(main, ["export", str(run), "--format", "tflite"])
    assert done.exit_code == 2
    assert re.fullmatch(r"Error: .*best\.keras is refused: it holds .*code.*\n", done.stderr)
    assert not (run / "exports").exists()

    (tmp_path / "elsewhere").mkdir()
    (run / "exports").symlink_to(tmp_path / "elsewhere")
    for path in (run, run / "best.keras"):
        with pytest.raises(RunError, match="is a link"):
            export(path, format="keras")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_no_classifier_of_pictures(tmp_path: Path) -> None:
    flat = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    flat.save(tmp_path / "flat.keras")
    with pytest.raises(ModelError, match="is no model of pictures"):
        export(tmp_path / "flat.keras", format="keras")
    (tmp_path / "text.keras").write_text("text")
    with pytest.raises(ModelError, match="is no .keras file"):
        export(tmp_path / "text.keras", format="keras")


def test_a_model_of_tables_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"task": "tables"}')
    (tmp_path / "best.keras").write_text("model")
    done = CliRunner().invoke(main, ["export", str(tmp_path / "best.keras"), "--format", "savedmodel"])
    assert done.exit_code == 1
    assert "is written in no other format. Load it with Keras" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.keras", "task.json"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "pickle"}, "Unknown format 'pickle'"),
        ({"format": "onnx", "quantize": "int8"}, "onnx cannot be quantized to int8. Formats that can: tflite"),
        ({"quantize": "int4"}, "Unknown quantization"),
        ({"num_calibration": 0}, "must be at least 1"),
        ({"model": "worst"}, "Unknown model 'worst'"),
        ({"out": "model.onnx"}, "does not end in .keras"),
        ({"out": "run/copy.keras"}, "lies in the run folder"),
        ({"out": "full", "format": "savedmodel"}, "is there already, and is no savedmodel"),
        ({"out": "full/copy.keras"}, "holds the classes of another model"),
    ],
)
def test_misuse_is_refused_before_anything_is_written(
    changes: dict[str, Any], message: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "labels.json").write_text('["other", "names"]')
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingsError, match=re.escape(message)):
        export(run, **{"format": "keras", **changes})
    assert sorted(tmp_path.rglob("*")) == before
