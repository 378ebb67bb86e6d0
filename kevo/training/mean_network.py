"""Averages the outputs of several networks within one model.

Networks that began with other random weights err in other ways, and their mean errs less (Lakshminarayanan, Pritzel and
Blundell 2017, "Simple and scalable predictive uncertainty estimation using deep ensembles", arXiv:1612.01474).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
from keras import Input, Model, layers

_PREFIX = "kevo_trained_"
"""Names of the networks in their mean begin so."""


def mean_of(networks: Sequence[keras.Model]) -> keras.Model:
    """Returns the mean of networks as one, which is called like the first; they share their layers with it.

    Args:
        networks: Networks with one input and one output, all of the same shapes.
    """
    (given,) = networks[0].inputs
    inputs = Input(given.shape[1:], dtype=given.dtype, name=given.name)
    named = (Model(one.input, one.output, name=f"{_PREFIX}{place}") for place, one in enumerate(networks, start=1))
    return Model(inputs, layers.Average(name="kevo_mean")([one(inputs) for one in named]), name=networks[0].name)


def num_networks(model: keras.Model) -> int:
    """Returns of how many networks a model is the mean; 1 where it is none.

    Args:
        model: What `mean_of` returned, or a model with that in it.
    """
    return max(1, sum(1 for layer in _layers(model) if layer.name.startswith(_PREFIX)))


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
