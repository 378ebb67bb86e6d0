"""Training on prepared columns."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kevo
from kevo.tasks.outputs.classes.evaluation import accuracy, cross_entropy
from kevo.tasks.prepared.stages import TRAIN
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.encoding import Features
from kevo.tasks.tables.networks import network
from kevo.tasks.tables.preparing import forward
from kevo.tasks.tables.trainer import TableTrainer
from kevo.training.effort import CandidateError, Earlier, Effort, MeanMember
from kevo.training.loop import Loop
from kevo.training.mean_network import num_networks
from kevo.training.stage import StageSpec
from tests.support.outputs import classes
from tests.support.tables import GENOME, small_dataset

SETTINGS = kevo.Settings(task="tables")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TableDataset:
    return small_dataset(tmp_path_factory.mktemp("table"), 480)


@pytest.fixture
def trainer(dataset: TableDataset) -> TableTrainer:
    return TableTrainer(dataset, SETTINGS)


@pytest.mark.parametrize("changes", [{}, {"num_layers": 0, "numbers": "quantile"}, {"optimizer": "sgd"}])
def test_a_network_learns(dataset: TableDataset, trainer: TableTrainer, changes: Mapping[str, Any]) -> None:
    trained = trainer.train({**GENOME, "sgd/learning_rate": 0.1, **changes}, Effort(num_epochs=12))
    majority = np.bincount(dataset.validation.labels).max() / len(dataset.validation)
    assert trained.metrics["val_accuracy"] > majority + 0.1
    assert set(trained.stages) == {TRAIN}
    assert len(trained.history) == len(trained.stages) <= 12
    assert trained.metrics in trained.history


def test_metrics_are_those_of_the_model_that_is_saved(dataset: TableDataset, trainer: TableTrainer) -> None:
    trained = trainer.train(GENOME, Effort(num_epochs=5))
    found = forward(trained.deployable(), dataset.inputs(dataset.validation))
    assert trained.outputs is not None
    np.testing.assert_allclose(found, trained.outputs, atol=1e-5)
    assert trained.metrics["val_accuracy"] == pytest.approx(accuracy(found, dataset.validation.labels))
    assert trained.metrics["val_cross_entropy"] == pytest.approx(cross_entropy(found, dataset.validation.labels), 1e-4)


def test_the_seed_decides(dataset: TableDataset) -> None:
    found = [
        TableTrainer(dataset, kevo.Settings(task="tables", seed=seed)).train(GENOME, Effort(num_epochs=2)).outputs
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_sample_of_the_rows(dataset: TableDataset, trainer: TableTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = []

    def loop(self: StageSpec, network: Any, inputs: Any, answers: Any, *, seed: int) -> Loop:
        learned.append((inputs[0], answers.targets))
        return own(self, network, inputs, answers, seed=seed)

    own = StageSpec.loop
    monkeypatch.setattr(StageSpec, "loop", loop)
    for num in (None, 100, 10_000):
        trainer.train(GENOME, Effort(num_epochs=1, num_examples=num))
    whole, part, all_the_same = learned
    assert len(part[0]) == len(part[1]) == 100 < len(whole[0]) == len(all_the_same[0])
    answers = {(row.tobytes(), int(label)) for row, label in zip(*whole, strict=True)}
    assert {(row.tobytes(), int(label)) for row, label in zip(*part, strict=True)} < answers


def test_what_was_trained_before_does_not_matter(dataset: TableDataset, trainer: TableTrainer) -> None:
    first = trainer.train(GENOME, Effort(num_epochs=2)).outputs
    trainer.train({**GENOME, "numbers": "quantile"}, Effort(num_epochs=1))
    np.testing.assert_array_equal(trainer.train(GENOME, Effort(num_epochs=2)).outputs, first)


def test_a_pause(dataset: TableDataset, trainer: TableTrainer, tmp_path: Path) -> None:
    paused = trainer.train(GENOME, Effort(num_epochs=6, pause_after=2))
    assert paused.is_paused
    assert len(paused.history) == 2
    paused.deployable().save(tmp_path / "paused.keras")
    earlier = Earlier(tmp_path / "paused.keras", paused.history, paused.stages)
    whole = trainer.train(GENOME, Effort(num_epochs=6), earlier=earlier)
    assert not whole.is_paused
    assert whole.history[:2] == paused.history
    assert len(whole.history) > 2


def test_a_refit_learns_from_the_validation_rows_too(dataset: TableDataset, trainer: TableTrainer) -> None:
    refit = trainer.train(GENOME, Effort(num_epochs=30, refit={TRAIN: 30}))
    assert (refit.metrics, refit.history) == ({}, [])
    plain = trainer.train(GENOME, Effort(num_epochs=30, patience=30))
    inputs, labels = dataset.inputs(dataset.validation), dataset.validation.labels
    losses = [cross_entropy(forward(one.deployable(), inputs), labels) for one in (refit, plain)]
    assert losses[0] < losses[1]


def test_a_loss_that_is_no_number_ends_the_candidate(trainer: TableTrainer) -> None:
    with pytest.raises(CandidateError, match="no longer a number"):
        trainer.train({**GENOME, "batch_norm": False, "learning_rate": 1e30}, Effort(num_epochs=5))


def test_without_time_there_is_one_measurement(trainer: TableTrainer) -> None:
    trained = trainer.train(GENOME, Effort(num_epochs=50, seconds=0.0))
    assert trained.is_cut_short
    assert len(trained.history) == 1


def test_a_refit_must_end_in_time(trainer: TableTrainer) -> None:
    with pytest.raises(CandidateError, match="too slow: to train once more"):
        trainer.train(GENOME, Effort(num_epochs=50, seconds=0.0, refit={TRAIN: 50}))


def test_progress_is_told(trainer: TableTrainer) -> None:
    seen: list[tuple[str, float, int]] = []
    trainer.train(
        GENOME, Effort(num_epochs=2), progress=lambda stage, done, total, metrics: seen.append((stage, done, total))
    )
    assert {(stage, total) for stage, _, total in seen} == {(TRAIN, 2)}
    assert seen[-1][1] == 2.0
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_costs(dataset: TableDataset, trainer: TableTrainer) -> None:
    trained = trainer.train(GENOME, Effort(num_epochs=1))
    num_features = sum(column.num_features for column in dataset.columns)
    expected = network(GENOME, features=Features(num_features), output=classes(2)).count_params()
    found = trained.costs(("params", "seconds", "flops", "bytes"), seconds=7.0)
    assert (found["params"], found["seconds"]) == (expected, 7.0) == (trained.num_parameters, 7.0)
    assert found["flops"] == 2 * (16 * num_features + 2 * 16)
    assert found["bytes"] > 4 * expected
    assert trained.costs((), seconds=7.0) == {}


def test_candidates_teach_nothing(trainer: TableTrainer) -> None:
    trainer.learn({})
    assert trainer.news() == {}


def test_balancing_finds_more_of_a_rare_class(dataset: TableDataset) -> None:
    rare = np.flatnonzero(dataset.train.labels == 0)[:15]
    rows = np.sort(np.concatenate([rare, np.flatnonzero(dataset.train.labels == 1)]))
    unbalanced = dataclasses.replace(dataset, train=dataset.train[rows])
    trainer, found = TableTrainer(unbalanced, SETTINGS), []
    for balance in (False, True):
        trained = trainer.train({**GENOME, "balance_classes": balance}, Effort(num_epochs=15))
        assert trained.outputs is not None
        found.append((trained.outputs.argmax(axis=1)[dataset.validation.labels == 0] == 0).mean())
    assert found[0] + 0.1 < found[1]


def test_keras_is_tidied(trainer: TableTrainer) -> None:
    trainer.train(GENOME, Effort(num_epochs=1))
    name = keras.layers.Dense(1).name
    trainer.train(GENOME, Effort(num_epochs=1))
    assert keras.layers.Dense(1).name == name


REFIT = Effort(num_epochs=4, refit={TRAIN: 3}, members=(MeanMember(GENOME, 4, {TRAIN: 3}),) * 2)


def test_a_refit_may_be_the_mean_of_several_networks(dataset: TableDataset, trainer: TableTrainer) -> None:
    told = []
    mean = trainer.train(GENOME, REFIT, progress=lambda stage, done, total, metrics: told.append(stage))
    assert num_networks(mean.deployable()) == 3
    assert list(dict.fromkeys(told)) == [TRAIN, "network 2/3", "network 3/3"]
    first = trainer.train(GENOME, dataclasses.replace(REFIT, members=()))
    assert num_networks(first.deployable()) == 1 and mean.num_parameters == 3 * first.num_parameters
    parts = [layer for layer in mean.network.layers if isinstance(layer, keras.Model)]
    weights = [np.concatenate([one.ravel() for one in part.get_weights()]) for part in parts]
    # The first is the network that there would be without the others, and no two are the same.
    np.testing.assert_allclose(weights[0], np.concatenate([one.ravel() for one in first.network.get_weights()]))
    assert all(not np.allclose(weights[0], other, atol=0.01) for other in weights[1:])
    assert mean.outputs is not None and first.outputs is not None
    found = forward(mean.deployable(), dataset.inputs(dataset.validation))
    np.testing.assert_allclose(found, mean.outputs, atol=1e-5)
    assert not np.allclose(found, first.outputs, atol=1e-3)
