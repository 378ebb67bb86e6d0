"""The task beside a scheduler."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

import kevo
from kevo.errors import SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.outputs import reference
from kevo.tasks.protocols.task import Member
from kevo.tasks.registry import kind_of
from kevo.tasks.tables import contract, references
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.preparing import forward
from kevo.tasks.tables.space import Space, check_genome
from kevo.tasks.tables.task import TableTask
from kevo.training.effort import Effort
from tests.support.outputs import classes
from tests.support.tables import GENOME, small_dataset
from tuners.genome import SearchSpace

SETTINGS = kevo.Settings(task="tables", space="small")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TableDataset:
    return small_dataset(tmp_path_factory.mktemp("table"))


@pytest.fixture
def task(dataset: TableDataset) -> TableTask:
    return TableTask(dataset, SETTINGS)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"search": SETTINGS.to_json()})


def test_genes_and_seeds(task: TableTask) -> None:
    genes = SearchSpace.from_hyperparameters(task.hyperparameters)
    assert len(task.seeds) == 4
    for seed in task.seeds:
        check_genome(genes.default(seed))


def test_large_networks_are_not_worth_training(dataset: TableDataset) -> None:
    task = TableTask(dataset, kevo.Settings(task="tables", max_params=100))
    genes = SearchSpace.from_hyperparameters(task.hyperparameters)
    assert task.obstacle(genes.default({"num_layers": 0})) is None
    assert task.obstacle(genes.default()) == "too many parameters"
    assert task.obstacle(genes.default(task.seeds[-1])) is None


def test_the_smallest_network_may_have_a_narrow_layer(dataset: TableDataset) -> None:
    # With many classes a narrow layer takes fewer parameters than none.
    train = dataclasses.replace(dataset.train, labels=np.arange(len(dataset.train)) % 100)
    wide = dataclasses.replace(dataset, output=classes(100), train=train)
    task = TableTask(wide, kevo.Settings(task="tables", max_params=10_000))
    genome = SearchSpace.from_hyperparameters(task.hyperparameters).default(task.seeds[-1])
    options = [task.num_parameters({**genome, "num_layers": num, "body": "mlp", "layer_1/units": 16}) for num in (0, 1)]
    assert task.num_parameters(genome) == min(options)


def test_no_network_may_be_small_enough(dataset: TableDataset) -> None:
    with pytest.raises(SettingsError, match="No network of this space has 5 parameters or fewer for these rows"):
        TableTask(dataset, kevo.Settings(task="tables", max_params=5))


def test_larger_batches_are_cheaper(dataset: TableDataset) -> None:
    task = TableTask(dataset, kevo.Settings(task="tables", space=Space(batch_sizes=(8, 4, 16))))
    genome = SearchSpace.from_hyperparameters(task.hyperparameters).default(task.seeds[0])
    found = task.cheaper(genome)
    assert [one["batch_size"] for one in found] == [16]
    assert {**found[0], "batch_size": 8} == genome
    assert task.work(found[0]).seconds < task.work(genome).seconds
    assert task.cheaper(found[0]) == []


def test_forecasts_learn(task: TableTask) -> None:
    before = task.work(GENOME)
    task.note_duration(GENOME, before, 4 * before.seconds)
    after = task.work(GENOME)
    assert (before.shared, before.error) == (0.0, 1.0)
    assert after.seconds == pytest.approx(4 * before.seconds)
    assert after.error == pytest.approx(4)
    assert task.scoring_seconds(GENOME) > 0
    assert task.repeat_seconds(GENOME) is None
    assert list(task.deeper(GENOME)) == [] and task.lengthened(GENOME, 100) == GENOME


def test_candidates_teach_nothing(task: TableTask) -> None:
    task.learn({})
    task.check_learned({})
    assert (task.learned, task.identity, task.worker_arguments(), task.worker_files()) == ({}, {}, {}, [])
    with pytest.raises(ValueError, match="'errors'"):
        task.check_learned({"errors": {}})


def test_scores_are_those_of_the_split(task: TableTask, dataset: TableDataset) -> None:
    trained = task.trainer().train(GENOME, Effort(num_epochs=3))
    outputs = task.predict(trained.deployable(), "validation")
    assert outputs.shape == task.output_shape == (len(dataset.validation), 2)
    scores = task.score(outputs, "validation")
    assert scores.accuracy == trained.metrics["val_accuracy"]
    assert task.loss(outputs, "validation") == pytest.approx(trained.metrics["val_cross_entropy"], 1e-4)
    assert task.score(task.predict(trained.deployable(), "test"), "test").num_examples == len(dataset.test)
    assert task.costs(trained.deployable(), GENOME, ("params",), seconds=1.0) == {"params": trained.num_parameters}


def test_an_ensemble(task: TableTask, dataset: TableDataset, tmp_path: Path) -> None:
    genomes = [GENOME, {**GENOME, "numbers": "quantile"}]
    members = []
    for place, genome in enumerate(genomes):
        task.trainer().train(genome, Effort(num_epochs=1)).deployable().save(tmp_path / f"{place}.keras")
        members.append(Member(keras.models.load_model(tmp_path / f"{place}.keras"), (0.75, 0.25)[place], genome))
    found = task.predict(task.combine(members), "validation")
    inputs = dataset.inputs(dataset.validation)
    first, second = (forward(one.model, inputs) for one in members)
    np.testing.assert_allclose(found, 0.75 * first + 0.25 * second, atol=1e-6)


def test_the_contract_is_in_the_run_folder(task: TableTask, dataset: TableDataset, run: Run) -> None:
    task.write_contract(run)
    assert contract.read(run.path).columns == dataset.columns


def test_the_references_are_trained_once(task: TableTask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    task.attach(run, work=None, note=notes.append)
    task.prepare(may_go_on=lambda: True)
    kept = (run.path / layout.BASELINE).read_bytes()
    assert notes[0].startswith("HistGradientBoosting has accuracy 0.")
    monkeypatch.setattr(references, "fit", lambda *_, **__: pytest.fail("trained twice"))
    task.prepare(may_go_on=lambda: True)
    assert notes[2:] == notes[:2]
    assert (run.path / layout.BASELINE).read_bytes() == kept


def test_a_damaged_file_of_references_is_set_aside(task: TableTask, run: Run) -> None:
    notes: list[str] = []
    task.attach(run, work=None, note=notes.append)
    (run.path / layout.BASELINE).write_text("{}")
    task.prepare(may_go_on=lambda: True)
    assert len(notes) == 3
    assert layout.BASELINE in notes[0]
    found = reference.read(run.path, kind_of("tables").parse_scores)
    assert [one.validation.num_examples for one in found] == [task.dataset.num_examples("validation")] * 2


def test_without_time_there_is_no_reference(task: TableTask, run: Run) -> None:
    task.attach(run, work=None, note=pytest.fail)
    task.prepare(may_go_on=lambda: False)
    assert not (run.path / layout.BASELINE).exists()


def test_of_classes_one_network_is_as_good_as_a_mean(task: TableTask) -> None:
    assert task.mean_members([GENOME, GENOME]) == ()
