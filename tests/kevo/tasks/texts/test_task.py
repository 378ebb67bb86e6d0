"""The task beside a scheduler, and the trainer of a worker."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kevo
from kevo.errors import SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.outputs import reference
from kevo.tasks.prepared.stages import TRAIN
from kevo.tasks.protocols.task import Member
from kevo.tasks.registry import kind_of
from kevo.tasks.texts import contract
from kevo.tasks.texts.dataset import Split, TextDataset
from kevo.tasks.texts.space import check_genome
from kevo.tasks.texts.task import TextTask
from kevo.tasks.texts.tokens import forward
from kevo.training.effort import Effort
from kevo.training.stage import StageSpec
from tests.support.texts import CONV, GENOME, RECURRENT, rated_dataset, small_dataset
from tuners.genome import SearchSpace

SETTINGS = kevo.Settings(task="texts", space="small")


@pytest.fixture(scope="module")
def dataset() -> TextDataset:
    return small_dataset()


@pytest.fixture(scope="module")
def task(dataset: TextDataset) -> TextTask:
    return TextTask(dataset, SETTINGS)


@pytest.mark.parametrize("genome", [GENOME, CONV], ids=["bag", "conv"])
def test_a_network_learns(task: TextTask, genome: dict[str, Any]) -> None:
    trained = task.trainer().train(genome, Effort(num_epochs=8))
    assert trained.metrics["val_accuracy"] > 0.75
    assert set(trained.stages) == {TRAIN}
    outputs = task.predict(trained.deployable(), "validation")
    assert trained.outputs is not None
    np.testing.assert_allclose(outputs, trained.outputs, atol=1e-5)
    assert task.score(outputs, "validation").value("accuracy") == pytest.approx(trained.metrics["val_accuracy"])
    assert trained.num_parameters == task.num_parameters(genome)


def test_numbers_are_learned() -> None:
    rated = rated_dataset()
    task = TextTask(rated, kevo.Settings(task="text-regression"))
    trained = task.trainer().train(GENOME, Effort(num_epochs=8))
    assert trained.metrics["val_r2"] > 0.5
    sampled = SearchSpace.from_hyperparameters(task.hyperparameters).sample(np.random.default_rng(0))
    assert sampled["label_smoothing"] == 0


def test_the_start(task: TextTask, dataset: TextDataset) -> None:
    genes = SearchSpace.from_hyperparameters(task.hyperparameters)
    assert genes.default(task.seeds[0])["family"] == "bag"
    for seed in task.seeds:
        check_genome(genes.default(seed))
    chinese = tuple("".join(reversed(text)).replace(" ", "") for text in dataset.train.texts)
    letters = TextTask(
        dataclasses.replace(dataset, train=Split(chinese, dataset.train.labels)), kevo.Settings(task="texts")
    )
    first = SearchSpace.from_hyperparameters(letters.hyperparameters).default(letters.seeds[0])
    assert first["bag/tokens"] == "characters"


def test_large_networks_are_not_worth_training(dataset: TextDataset) -> None:
    small = TextTask(dataset, kevo.Settings(task="texts", space="small", max_params=2000))
    assert small.obstacle(CONV) is None
    assert small.obstacle({**CONV, "sequence/units": 512}) == "too many parameters"
    with pytest.raises(SettingsError, match="No network of this space has 5 parameters or fewer for these texts"):
        TextTask(dataset, kevo.Settings(task="texts", max_params=5))


def test_forecasts(task: TextTask) -> None:
    seconds = {name: task.work(one).seconds for name, one in (("bag", GENOME), ("conv", CONV), ("gru", RECURRENT))}
    assert 0 < seconds["bag"] < seconds["conv"] < seconds["gru"]


def test_references_stand_in_the_run_folder(task: TextTask, tmp_path: Path) -> None:
    run, notes = Run.create(tmp_path / "run", {"search": SETTINGS.to_json()}), []
    task.attach(run, work=None, note=notes.append)
    for _ in range(2):
        task.prepare(may_go_on=lambda: True)
    assert len(notes) == 2 and notes[0] == notes[1]
    assert notes[0].startswith("TF-IDF + logistic regression has accuracy 0.")
    (found,) = reference.read(run.path, kind_of("texts").parse_scores)
    assert found.validation.accuracy > 0.75
    task.write_contract(run)
    assert contract.read(run.path).output == task.dataset.output
    assert (run.path / layout.LABELS).is_file()


def test_an_ensemble(task: TextTask, dataset: TextDataset) -> None:
    models = [task.trainer().train(genome, Effort(num_epochs=1)).deployable() for genome in (GENOME, CONV)]
    members = [
        Member(model, weight, genome) for model, weight, genome in zip(models, (0.5, 0.5), (GENOME, CONV), strict=True)
    ]
    expected = np.mean([forward(model, dataset.test.texts) for model in models], axis=0)
    np.testing.assert_allclose(task.predict(task.combine(members), "test"), expected, atol=1e-5)


def test_another_process_learns_from_the_same(dataset: TextDataset, task: TextTask, tmp_path: Path) -> None:
    kind = kind_of("texts")
    dataset.write(tmp_path / "work")
    spec = StageSpec(genome=GENOME, split="train+validation", num_epochs=1, num_done=0, learning_rate=None)
    inputs, answers = kind.stage_data(kind.read(tmp_path / "work"), seed=0)(spec)
    assert list(map(len, inputs)) == [len(dataset.train), len(dataset.validation)]
    assert len(answers.targets) == len(dataset.train) + len(dataset.validation)
