"""The linear model that a search under a time limit begins with."""

import dataclasses

import numpy as np

import kevo
from kevo.tasks.images import costs, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.datasets.dataset import Split
from kevo.tasks.images.describe import describe
from kevo.tasks.images.first_answer import first_answer
from kevo.tasks.images.genome_check import check_genome
from kevo.tasks.images.task import ImageTask
from kevo.training.effort import Effort
from tests.support.outputs import classes
from tests.support.searches import SETTINGS
from tests.support.trainers import trainer


def test_it_is_a_genome_of_a_linear_network(dataset: ImageDataset) -> None:
    genome = first_answer(dataset).genome
    check_genome(genome)
    assert describe(genome).startswith("no convolution at 16 px, flattened; L2 0.001; adam")
    network = networks.conv_network(genome, output=classes(3))
    assert network.count_params() == costs.num_parameters(genome, num_classes=3) == 3 * (16 * 16 * 3 + 1)


def test_it_sees_boards_as_they_are(dataset: ImageDataset) -> None:
    small = Split(dataset.train.pictures[:, :6, :7], dataset.train.labels)
    genome = first_answer(dataclasses.replace(dataset, train=small)).genome
    check_genome(genome)
    assert describe(genome).startswith("no convolution at 7 x 6 px")
    assert networks.conv_network(genome, output=classes(3)).input.shape == (None, 6, 7, 3)


def test_it_is_left_out_where_it_is_too_large(dataset: ImageDataset) -> None:
    def found(settings: kevo.Settings) -> object:
        return ImageTask(dataset, settings, {}).first_answer

    assert found(dataclasses.replace(SETTINGS, max_params=2307)) == first_answer(dataset)
    assert found(dataclasses.replace(SETTINGS, max_params=2306)) is None


def test_it_learns_from_a_sample(dataset: ImageDataset) -> None:
    genome = first_answer(dataset).genome
    teacher = trainer(dataset)
    whole = teacher.train(genome, Effort(2, num_examples=len(dataset.train)))
    some = teacher.train(genome, Effort(2, num_examples=40))
    assert whole.history == teacher.train(genome, Effort(2)).history != some.history
    assert some.outputs is not None and some.outputs.shape == (len(dataset.validation), 3)
    assert np.allclose(some.outputs.sum(axis=1), 1, atol=1e-5)
