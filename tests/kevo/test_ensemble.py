"""Which candidates are better together, and how they become one model."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from samples import CONV_GENOME
from searches import SETTINGS, Diary

import kevo
from kevo import ensemble, evaluation, models, searching
from kevo.datasets import ImageDataset
from kevo.objectives import OBJECTIVES
from kevo.results import SearchResult
from kevo.runs import Run, TrialRecord

ACCURACY = evaluation.SCORES["val_accuracy"]
LABELS = np.array([0, 0, 1, 1])


def sure_of(*true: float) -> np.ndarray:
    """Predictions for `LABELS` that give the true classes these probabilities."""
    probabilities = np.array(true)
    return np.where(np.eye(2)[LABELS] == 1, probabilities[:, None], 1 - probabilities[:, None])


def weighed(*predictions: np.ndarray, score: ensemble.Score = ACCURACY) -> list[float]:
    return ensemble.select(predictions, LABELS, score=score).tolist()


def test_two_that_complement_each_other_beat_the_best() -> None:
    first, second = sure_of(0.9, 0.9, 0.4, 0.4), sure_of(0.4, 0.4, 0.9, 0.9)
    assert weighed(first, second) == [0.5, 0.5]
    best = sure_of(0.6, 0.6, 0.6, 0.1)
    weights = weighed(best, first, second)
    assert weights[0] < 0.1 and weights[1:] == pytest.approx([0.5, 0.5], abs=0.1)
    assert ACCURACY(np.tensordot(weights, [best, first, second], 1), LABELS) == 1.0 > ACCURACY(best, LABELS)


def test_a_candidate_may_count_twice() -> None:
    # The third picture is right where 0.9 w > 0.5, the fourth where 0.4 w + 0.8 (1 - w) > 0.5.
    first, _ = weighed(sure_of(0.9, 0.9, 0.9, 0.4), sure_of(0.6, 0.6, 0.0, 0.8))
    assert 5 / 9 < first < 3 / 4


def test_of_equals_the_surer_is_better() -> None:
    # No mean with the first is as sure as the second.
    assert weighed(sure_of(0.6, 0.6, 0.6, 0.4), sure_of(0.9, 0.9, 0.9, 0.45)) == [0.0, 1.0]


def test_a_single_candidate_is_all_there_is() -> None:
    assert weighed(sure_of(0.1, 0.1, 0.1, 0.1)) == [1.0]


def test_twins_are_no_ensemble() -> None:
    one = sure_of(0.6, 0.7, 0.8, 0.1)
    assert weighed(one, one, one.astype(np.float16)) == [1.0, 0.0, 0.0]


def experts(num: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy candidates of different quality, shape (num, 60, 4), and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 60)
    logits = rng.normal(size=(num, 60, 4)) + rng.uniform(0, 2, (num, 1, 1)) * np.eye(4)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("metric", evaluation.SCORES)
def test_never_worse_than_the_best_and_never_large(metric: str, seed: int) -> None:
    predictions, labels = experts(12, seed=seed)
    score = evaluation.SCORES[metric]
    weights = ensemble.select(list(predictions), labels, score=score, seed=seed, max_members=3, num_bags=6)
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all() and np.count_nonzero(weights) <= 3
    mean = np.tensordot(weights, predictions, 1)
    assert score(mean, labels) >= max(score(one, labels) for one in predictions) - 1e-6


def test_same_seed_same_weights() -> None:
    predictions, labels = experts(12, seed=0)
    first, again, other = (
        ensemble.select(list(predictions), labels, score=ACCURACY, seed=seed, num_bags=3).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("shapes", [[], [(4,)], [(3, 2)], [(4, 2), (4, 3)]])
def test_predictions_that_do_not_fit_are_refused(shapes: Sequence[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="`predictions` must be arrays of one shape"):
        weighed(*(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize("metric", evaluation.SCORES)
def test_quick_scores_are_those_of_an_evaluation(metric: str) -> None:
    # The last class is neither there nor predicted.
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(4), size=100) @ np.eye(4, 5), rng.integers(0, 4, 100)
    whole = evaluation.evaluate(probabilities, labels, class_names=list("abcde"))
    sign = -1 if metric == "val_cross_entropy" else 1
    expected = sign * getattr(whole, metric.removeprefix("val_"))
    assert evaluation.SCORES[metric](probabilities, labels) == pytest.approx(expected)
    assert {objective.metric for objective in OBJECTIVES.values()} == set(evaluation.SCORES)


def promise(path: Path) -> None:
    """Says in the header that there are terabytes."""
    np.save(path, np.full((2, 2), 0.5, np.float16))
    path.write_bytes(path.read_bytes().replace(b"(2, 2), }" + b" " * 12, b"(2000000000000, 2), }", 1))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 and no array"),
        lambda path: path.mkdir(),
        lambda path: np.save(path, np.array([{}, {}]), allow_pickle=True),
        lambda path: np.save(path, np.full((2, 2), 0.5)),
        lambda path: np.save(path, np.full((2, 3), 1 / 3, np.float16)),
        lambda path: np.save(path, np.full((2, 2), 0.7, np.float16)),
        lambda path: np.save(path, np.array([[0.5, 0.5], [np.nan, 1.0]], np.float16)),
        lambda path: np.save(path, np.array([[0.5, 0.5], [-1.0, 2.0]], np.float16)),
        lambda path: (np.save(path, np.full((2, 2), 0.5, np.float16)), os.truncate(path, path.stat().st_size - 1)),
        promise,
    ],
)
def test_predictions_that_are_damaged_take_no_part(write: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path / "0.npy")
    assert ensemble.read_predictions(tmp_path / "0.npy", shape=(2, 2)) is None


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(1000), size=20).astype(np.float16)
    np.save(tmp_path / "0.npy", probabilities)
    assert np.array_equal(ensemble.read_predictions(tmp_path / "0.npy", shape=(20, 1000)), probabilities)


WITHOUT_KEVO = """
    import sys
    sys.modules["kevo"] = sys.modules["tuners"] = None
    import keras, numpy as np
    try:
        import kevo
    except ImportError:
        pass
    else:
        raise SystemExit("kevo is here")
    model = keras.models.load_model(sys.argv[1], safe_mode=True)
    for name in ("small", "large"):
        np.save(f"{sys.argv[2]}/{name}-out.npy", model.predict(np.load(f"{sys.argv[2]}/{name}.npy"), verbose=0))
    print(all(type(layer).__module__.startswith("keras.") for layer in model._flatten_layers()))
"""


def test_a_saved_ensemble_is_the_weighted_mean_where_kevo_does_not_exist(tmp_path: Path) -> None:
    members = []
    for size, weight in ((8, 0.2), (16, 0.5), (12, 0.3)):
        keras.utils.set_random_seed(size)
        network = models.conv_network({**CONV_GENOME, "conv/image_size": size}, num_classes=3)
        members.append((models.deployable(network), weight))
    models.weighted_mean(members).save(tmp_path / "ensemble.keras")
    rng = np.random.default_rng(0)
    pictures = {"small": rng.integers(0, 256, (3, 9, 14, 3)), "large": rng.integers(0, 256, (2, 40, 30, 3))}
    for name, values in pictures.items():
        np.save(tmp_path / f"{name}.npy", values.astype(np.uint8))
    arguments = [textwrap.dedent(WITHOUT_KEVO), tmp_path / "ensemble.keras", tmp_path]
    done = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
    for name, values in pictures.items():
        expected = sum(weight * np.asarray(model(values.astype(np.float32))) for model, weight in members)
        assert np.load(tmp_path / f"{name}-out.npy") == pytest.approx(expected, abs=1e-5)


# Each knows one class only, whatever the picture: together they are less wrong.
BIASES = ([2.0, 0.0, 0.0], [0.0, 1.9, 0.0], [0.0, 0.0, 1.8])


def softmax(biases: Sequence[float]) -> np.ndarray:
    return np.exp(biases) / np.exp(biases).sum()


def ended(path: Path, dataset: ImageDataset, *, seconds: float = 0.0, **changes: object) -> searching._Search:
    """A search whose candidates are trained and written down, and that has only to finish."""
    run = Run.create(path / "run", {})
    settings = dataclasses.replace(SETTINGS, objective="loss", **changes)
    one = searching._Search(run, dataset, settings, {}, Diary(), time.monotonic() - seconds)
    labels = dataset.validation.labels
    for number, biases in enumerate(BIASES):
        network = models.conv_network({**CONV_GENOME, "conv/image_size": 8 * (1 + number % 2)}, num_classes=3)
        kernel, _ = network.layers[-1].get_weights()
        network.layers[-1].set_weights([np.zeros_like(kernel), np.array(biases)])
        probabilities = np.tile(softmax(biases), (len(labels), 1))
        loss = evaluation.cross_entropy(probabilities, labels)
        metrics = {"val_cross_entropy": loss, "val_accuracy": 1 / 3}
        record = TrialRecord(
            number=number,
            trial_id=str(number),
            generation=0,
            genome=dict(CONV_GENOME),
            status="completed",
            fitness=loss,
            metrics=metrics,
            history=[metrics],
            stages=["train"],
            num_epochs=1,
            seconds=1.0,
            num_parameters=network.count_params(),
            finished_at=float(number),
        )
        for folder in ("checkpoints", "predictions"):
            (run.path / folder).mkdir(exist_ok=True)
        models.deployable(network).save(run.path / f"checkpoints/{number}.keras")
        np.save(run.path / f"predictions/{number}.npy", probabilities.astype(np.float16))
        one.records[record.trial_id] = record
    return one


def notes(one: searching._Search) -> list[str]:
    assert isinstance(one.listener, Diary)
    return one.listener.notes


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dataset: ImageDataset) -> tuple[SearchResult, searching._Search]:
    one = ended(tmp_path_factory.mktemp("ended"), dataset)
    return one._finish(False), one


def test_an_ensemble_is_offered_beside_the_best(finished: tuple[SearchResult, searching._Search]) -> None:
    result, one = finished
    together = result.ensemble
    assert together is not None
    assert sorted(member.trial_id for member in together.members) == ["0", "1", "2"]
    assert sum(member.weight for member in together.members) == pytest.approx(1.0)
    assert together.validation.cross_entropy < result.validation.cross_entropy
    assert together.num_parameters == sum(record.num_parameters or 0 for record in one.records.values())
    assert SearchResult.from_json(json.loads((result.run_folder / "result.json").read_text())) == result
    (line,) = notes(one)
    assert line.startswith("Ensemble: ensemble.keras, 3 models as one, ") and "best single" in line


def test_its_scores_are_those_of_the_file(
    finished: tuple[SearchResult, searching._Search], dataset: ImageDataset
) -> None:
    result, _ = finished
    together = result.ensemble
    assert together is not None and result.model_path.name == "best.keras"
    for split in ("validation", "test"):
        pictures, labels = getattr(dataset, split).pictures, getattr(dataset, split).labels
        probabilities = together.model.predict(pictures, verbose=0)
        scores = evaluation.evaluate(probabilities, labels, class_names=dataset.class_names)
        assert getattr(together, split).cross_entropy == pytest.approx(scores.cross_entropy)
        expected = sum(member.weight * softmax(BIASES[int(member.trial_id)]) for member in together.members)
        assert probabilities == pytest.approx(np.tile(expected, (len(labels), 1)), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_time": 100.0, "seconds": 100.0}, "the time is up"),
        ({"max_params": 1000}, "together its models would have [0-9,]+ parameters"),
    ],
)
def test_no_ensemble_where_the_limits_forbid_it(
    changes: dict[str, float], reason: str, tmp_path: Path, dataset: ImageDataset
) -> None:
    one = ended(tmp_path, dataset, **changes)
    (one.folder.path / "ensemble.keras").write_text("of an earlier sitting")
    result = one._finish(False)
    assert result.ensemble is None and result.model_path.is_file()
    (line,) = notes(one)
    assert re.fullmatch(f"No ensemble: {reason}\\.", line)
    assert not (one.folder.path / "ensemble.keras").exists()


def test_little_time_makes_a_small_ensemble(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    probabilities = np.load(one.folder.path / f"predictions/{one.completed[0].trial_id}.npy").astype(np.float32)
    assert [len(one._weighed(one.completed, probabilities, num)) for num in (2, 3)] == [2, 3]
    with pytest.raises(searching._NoEnsembleError, match="the time is up"):
        one._weighed(one.completed, probabilities, 1)


def test_ctrl_c_while_an_ensemble_is_made_leaves_the_best(
    tmp_path: Path, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ended(tmp_path, dataset)
    monkeypatch.setattr(one, "_closing_seconds", lambda: os.kill(os.getpid(), signal.SIGINT))
    result = one._finish(False)
    assert result.interrupted and result.ensemble is None and result.model_path.is_file()
    assert json.loads((result.run_folder / "result.json").read_text())["interrupted"]
    assert notes(one) == ["No ensemble: interrupted."]


def test_no_ensemble_of_damaged_parts(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    # The winner's predictions are made anew from its model.
    for path in (one.folder.path / "predictions").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert one._finish(False).ensemble is None
    assert notes(one) == ["No ensemble: it would gain nothing."]


def test_a_damaged_model_costs_the_ensemble_only(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    worst = max(one.records.values(), key=lambda record: record.metrics["val_cross_entropy"])
    (one.folder.path / f"checkpoints/{worst.trial_id}.keras").write_bytes(b"PK")
    result = one._finish(False)
    assert result.ensemble is None and result.validation.num_pictures == len(dataset.validation)
    (line,) = notes(one)
    assert line.startswith("No ensemble: ") and "Error" in line
    assert not list(one.folder.path.glob("*ensemble*")) and not list(one.folder.path.glob(".partial*"))


def test_only_the_best_few_models_are_kept(tmp_path: Path, dataset: ImageDataset) -> None:
    one = ended(tmp_path, dataset)
    template = one.records["0"]
    records = {}
    for number in range(30):
        metrics = {"val_cross_entropy": 1.0 + number, "val_accuracy": 0.5}
        record = dataclasses.replace(template, trial_id=f"t{number}", fitness=1.0 + number, metrics=metrics)
        records[record.trial_id] = record
    assert one._needed(records) == {f"t{number}" for number in range(searching._LIBRARY)}
    # What no other beats in everything is kept too.
    one = ended(tmp_path / "front", dataset, minimize=("params",))
    for record in records.values():
        record.metrics["params"] = 20.0 - 10 * (record.trial_id == "t20")
    assert one._needed(records) == {"t20"} | {f"t{number}" for number in range(searching._LIBRARY)}
    assert kevo.Settings().num_finalists <= searching._LIBRARY
