"""Several models of a task as one."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import Model, layers


def weighted_mean(members: Sequence[keras.Model], weights: Sequence[float], examples: keras.KerasTensor) -> keras.Model:
    """Puts models together; they share their layers with the result.

    Args:
        members: Models of raw examples.
        weights: One for each; they sum to 1.
        examples: An input like theirs.

    Returns:
        A model like the members, of the weighted mean of their outputs.
    """
    outputs = []
    for number, (member, weight) in enumerate(zip(members, weights, strict=True), start=1):
        # No two layers of a model may have the same name.
        named = Model(member.input, member.output, name=f"kevo_member_{number}")
        outputs.append(layers.Rescaling(weight, name=f"kevo_weight_{number}")(named(examples)))
    return Model(examples, layers.Add(name="kevo_weighted_mean")(outputs), name="kevo_ensemble")
