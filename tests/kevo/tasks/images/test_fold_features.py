"""Features of folds: those of all pictures, computed once and only taken apart."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

import kevo
from kevo.system.array_store import ArrayStore
from kevo.tasks.folded_trainer import FoldedTrainer
from kevo.tasks.folds import rows_of
from kevo.tasks.images import datasets, task_trainer
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache
from kevo.tasks.images.fold_features import FoldFeatures
from kevo.training.effort import Effort
from kevo.training.loop import Forward
from tests.support.samples import CONV_GENOME, pretrained_genome, stripes

GENOME = {**pretrained_genome("mobilenet", "conv_pw_3_relu"), "mobilenet/alpha": 0.25}
SETTINGS = kevo.Settings(task="images", folds=3, weights={"mobilenet": "none"}, workers=0)
FLIPPED = ("flip", "horizontal")


@pytest.fixture(scope="module")
def folded() -> ImageDataset:
    return datasets.load(stripes(60), num_folds=3)


class Small:
    """Builds a small network, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> Forward:
        self.built += 1
        keras.utils.set_random_seed(0)
        pixels = keras.Input((None, None, 3))
        maps = keras.layers.Conv2D(8, 3)(keras.layers.Rescaling(1 / 255)(pixels))
        return Forward(keras.Model(pixels, keras.layers.GlobalMaxPooling2D()(maps)), dtype=np.uint8)


def test_all_folds_share_one_pass_of_each_copy(folded: ImageDataset) -> None:
    cache, build = FeatureCache(folded), Small()
    options = {"network": build, "weights": None}
    whole = cache.features("train", GENOME, **options)
    num = len(folded.train)
    for train, validation in rows_of(folded.folds):
        fold = FoldFeatures(cache, num, train=train, validation=validation)
        assert np.array_equal(fold.features("train", GENOME, **options), whole[train])
        assert np.array_equal(fold.features("validation", GENOME, **options), whole[validation])
        assert fold.num_kept("validation", GENOME, None) == len(validation)
    assert build.built == 1
    # A copy of the pictures is another pass, and again one for all folds.
    assert fold.num_kept("train", GENOME, None, FLIPPED) == 0
    fold.extend("train", GENOME, num_rows=5, copy=FLIPPED, **options)
    assert fold.num_kept("train", GENOME, None, FLIPPED) == len(train)
    fold.features("train", GENOME, copy=FLIPPED, **options)
    assert build.built == 2


def test_pictures_are_those_of_the_fold(folded: ImageDataset) -> None:
    cache = FeatureCache(folded)
    (train, validation), *_ = rows_of(folded.folds)
    fold = FoldFeatures(cache, len(folded.train), train=train, validation=validation)
    assert np.array_equal(fold.pictures("validation", 16), folded.train.pictures[validation])
    assert np.array_equal(fold.pictures("train", 16, rows=np.array([0, 2])), folded.train.pictures[train[[0, 2]]])
    assert fold.pictures("train", 32, copy=FLIPPED).shape == (len(train), 32, 32, 3)


def test_what_workers_read_has_the_same_folds(folded: ImageDataset, tmp_path: Path) -> None:
    folded.write(tmp_path / "data")
    found = ImageDataset.read(tmp_path / "data")
    assert found.folds is not None and np.array_equal(found.folds, folded.folds)
    assert np.array_equal(found.validation.labels, folded.train.labels)
    assert not (tmp_path / "data" / "validation-pictures.npy").exists()


@pytest.mark.long
def test_a_head_learns_from_features_that_were_computed_once(folded: ImageDataset, tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    task = SETTINGS.kind.open(folded, SETTINGS)
    arguments = {**task.worker_arguments(), "cache": str(store.folder)}
    trainer = task_trainer.from_arguments(folded, SETTINGS, arguments)
    assert isinstance(trainer, FoldedTrainer)
    done = trainer.train({**GENOME, "mirror": True}, Effort(4))
    assert done.outputs is not None and done.outputs.shape == (len(folded.train), 3)
    # The pictures and their mirror images.
    assert len(list(tmp_path.glob("*.npy"))) == 2
    assert trainer.news()["errors"] and trainer.news()["speeds"]
    again = trainer.train({**GENOME, "mirror": True}, Effort(4))
    assert again.metrics == done.metrics


@pytest.mark.long
def test_stripes_are_told_apart_by_a_stack_that_has_not_seen_them(folded: ImageDataset) -> None:
    settings = dataclasses.replace(SETTINGS, weights={})
    done = SETTINGS.kind.open(folded, settings).trainer().train(CONV_GENOME, Effort(15))
    assert done.metrics["val_accuracy"] > 0.8
    deployed = done.deployable().predict(folded.train.pictures, verbose=0)
    assert (deployed.argmax(axis=1) == folded.train.labels).mean() > 0.9
