"""The model that a search under a time limit begins with: linear, on a sample of small pictures, trained in seconds."""

from __future__ import annotations

from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.protocols.task import FirstAnswer
from tuners.genome import Genome

_IMAGE_SIZE = 16
"""Side of the pictures that it sees, in pixels."""
_NUM_EXAMPLES = 2048
"""How many pictures it learns from at most."""


def first_answer(dataset: ImageDataset) -> FirstAnswer:
    """Returns the linear model for a data set: a conv stack without any block, whatever else is searched.

    Args:
        dataset: The pictures.
    """
    height, width = dataset.shape
    # What is no square is small.
    own = {} if height == width else {"conv/height": height, "conv/width": width}
    genome: Genome = {
        "family": "conv",
        "conv/image_size": dataset.image_size if own else min(_IMAGE_SIZE, dataset.image_size),
        **own,
        "conv/num_blocks": 0,
        "conv/pooling": "max",
        "conv/early_pooling": False,
        "conv/convolution": "full",
        "conv/squeeze_excite": False,
        "conv/shortcut": False,
        "conv/batch_norm": False,
        "conv/activation": "relu",
        "conv/summary": "flatten",
        "conv/l2": 0.0,
        "head/num_dense": 0,
        "head/dropout": 0.0,
        "head/l2": 1e-3,
        "augment": False,
        "mirror": False,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "batch_size": 32,
        "label_smoothing": 0.0,
    }
    return FirstAnswer(genome, _NUM_EXAMPLES)
