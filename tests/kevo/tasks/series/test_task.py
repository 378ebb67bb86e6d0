"""A search's task of series, and its trainer."""

import json
from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.errors import ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.outputs import reference
from kevo.tasks.protocols.task import Member
from kevo.tasks.series import contract, references
from kevo.tasks.series.contract import Contract
from kevo.tasks.series.dataset import SeriesDataset
from kevo.tasks.series.predictor import SeriesPredictor
from kevo.tasks.series.task import SeriesTask
from kevo.training.effort import Effort
from tests.support.series import GENOME, MLP, small_dataset

SETTINGS = kevo.Settings(task="series", space="small", max_trials=2)


@pytest.fixture(scope="module")
def dataset() -> SeriesDataset:
    return small_dataset()


@pytest.fixture(scope="module")
def task(dataset: SeriesDataset) -> SeriesTask:
    return SeriesTask(dataset, SETTINGS)


def test_a_candidate_learns(task: SeriesTask, dataset: SeriesDataset) -> None:
    genome = {**MLP, "linear_part": False, "base": "none", "inputs": "values", "learning_rate": 0.03}
    trained = task.trainer().train(genome, Effort(num_epochs=30))
    # Always to answer with zeros of the network's scale is its mean.
    assert trained.metrics["val_mase"] < 0.5 * trained.history[0]["val_mase"]
    assert trained.outputs is not None and trained.outputs.shape == task.output_shape == (len(dataset.validation), 4)
    model = trained.deployable()
    predicted = task.predict(model, "validation")
    np.testing.assert_allclose(predicted, trained.outputs, rtol=1e-4)
    assert task.score(predicted, "validation").value("mase") == pytest.approx(trained.metrics["val_mase"], rel=1e-4)
    assert task.loss(predicted, "validation") == pytest.approx(trained.metrics["val_mse"], rel=1e-4)
    assert task.are_valid(predicted) and not task.are_valid(predicted * np.nan)
    assert trained.costs(("params",), seconds=1.0)["params"] == task.num_parameters(genome)
    other = task.trainer().train(GENOME, Effort(num_epochs=1)).deployable()
    together = task.combine([Member(model, 0.5, genome), Member(other, 0.5, GENOME)])
    expected = np.mean([predicted, task.predict(other, "validation")], axis=0)
    np.testing.assert_allclose(task.predict(together, "validation"), expected, rtol=1e-5)


def test_a_refit_learns_from_the_newest_windows_too(task: SeriesTask) -> None:
    plain, refit = (
        task.trainer().train(GENOME, Effort(num_epochs=1, refit=nums)).deployable() for nums in (None, {"train": 1})
    )
    scores = [task.score(task.predict(one, "validation"), "validation").value("mse") for one in (plain, refit)]
    assert scores[1] < scores[0]


def test_large_networks_are_not_worth_training(dataset: SeriesDataset) -> None:
    small = SeriesTask(dataset, kevo.Settings(task="series", space="small", max_params=100))
    assert small.obstacle(GENOME) is None and small.obstacle({**MLP, "mlp/layer_1/units": 32}) == "too many parameters"
    assert min(map(small.num_parameters, small.seeds[-1:])) <= 100
    with pytest.raises(SettingsError, match="No network of this space has 5 parameters or fewer for these windows"):
        SeriesTask(dataset, kevo.Settings(task="series", max_params=5))


def test_a_short_series_teaches_few_weights(task: SeriesTask, dataset: SeriesDataset) -> None:
    wide = {**MLP, "mlp/layer_1/units": 128}
    assert task.num_parameters(wide) > 2 * dataset.labels("train").size
    assert task.obstacle(wide) == "more weights than so few windows can teach"
    assert task.obstacle(MLP) is None
    assert SeriesTask(small_dataset(2000), SETTINGS).obstacle(wide) is None


def test_forecasts(task: SeriesTask) -> None:
    lstm = {**MLP, "family": "lstm", "lstm/units": 16}
    assert 0 < task.work(GENOME).seconds < task.work(lstm).seconds
    assert task.scoring_seconds(GENOME) > 0


def test_references_by_hand(dataset: SeriesDataset) -> None:
    series, first = dataset.test.series[:, 0], dataset.test.firsts[0]
    np.testing.assert_array_equal(references.repeated(dataset.test, 1)[0], [series[first - 1]] * 4)
    np.testing.assert_array_equal(references.repeated(dataset.test, 4)[0], series[first - 4 : first])
    np.testing.assert_array_equal(
        references.repeated(dataset.test, 3)[0], series[[first - 3, first - 2, first - 1, first - 3]]
    )
    linear, last, seasonal = references.fit(dataset)
    assert linear.test.mase < seasonal.test.mase < last.test.mase
    expected = abs(references.repeated(dataset.test, 4) - dataset.labels("test")).mean()
    assert seasonal.test.mae == pytest.approx(expected)


def test_references_are_kept(task: SeriesTask, tmp_path: Path) -> None:
    run, notes = Run.create(tmp_path / "run", {}), []
    task.attach(run, work=None, note=notes.append)
    # They are there however little time there is.
    task.prepare(may_go_on=lambda: False)
    assert [one.name for one in reference.read(run.path, task._kind.parse_scores)] == [
        "Linear autoregression",
        "Last value",
        "Seasonal last value",
    ]
    assert notes[1].startswith("Last value has MASE")


def test_the_contract_says_what_the_model_takes(task: SeriesTask, dataset: SeriesDataset, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    task.write_contract(run)
    found = contract.read(run.path)
    assert found == Contract.of(dataset) and (found.window, found.columns) == (dataset.window, ("value",))
    values = json.loads((run.path / layout.TASK).read_text())
    for wrong in ({"task": "tables"}, {"window": "12"}, {"columns": []}, {"times": [3]}):
        (run.path / layout.TASK).write_text(json.dumps({**values, **wrong}))
        with pytest.raises(ModelError, match="does not say what windows a model takes"):
            contract.read(run.path)
    model = task.trainer().train(GENOME, Effort(num_epochs=1)).deployable()
    with pytest.raises(ModelError, match="Take both from the same search"):
        SeriesPredictor(model, Contract(("a", "b"), 12, dataset.output, (), dataset.clock))
