"""A genome's optimizer, with the learning rate that it has left after a pause.

Keras writes an update as a dozen operations for each variable, which in a small network are a good part of all. Here
the same arithmetic is done by TensorFlow's fused kernels, one for each variable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from keras import optimizers

Genes = Mapping[str, str | int | float | bool]
"""A candidate's genes, those included that only its network is made from."""


class _Direct(optimizers.Optimizer):  # type: ignore[misc]
    """Updates variables one after the other, without a sum of gradients over replicas where there is but one.

    TensorFlow writes the gradient of such a sum into a table that is never emptied: all graphs of all candidates, some
    megabytes for each, would stay in memory.
    """

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if tf.distribute.has_strategy():
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable.value, learning_rate)


class _FusedAdam(_Direct):
    """The update of Keras's Adam and AdamW (Kingma and Ba 2015, arXiv:1412.6980), fused."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class Adam(_FusedAdam, optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam."""


class AdamW(_FusedAdam, optimizers.AdamW):  # type: ignore[misc]
    """Keras's AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101)."""


class SGD(_Direct, optimizers.SGD):  # type: ignore[misc]
    """Keras's descent with momentum, fused."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[self._get_variable_index(variable)].value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=gradient,
            momentum=self.momentum,
        )


class RMSprop(_Direct, optimizers.RMSprop):  # type: ignore[misc]
    """Keras's RMSprop. TensorFlow's kernel has a momentum that would have to be kept."""


class _Later(optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rest of a schedule.

    The optimizer's own steps count from 0 again after a pause: its means of the gradients do so too.
    """

    def __init__(self, schedule: optimizers.schedules.LearningRateSchedule, *, num_done: int) -> None:
        super().__init__()
        self._schedule = schedule
        self._num_done = num_done

    def __call__(self, step: Any) -> Any:
        return self._schedule(step + self._num_done)


def optimizer(genome: Genes, *, num_steps: int, num_done: int, fine_tune_rate: float | None) -> optimizers.Optimizer:
    """Makes the optimizer of one stage of training.

    Args:
        genome: The genome.
        num_steps: Steps of the whole stage, over which the learning rate falls.
        num_done: Steps that were taken before a pause.
        fine_tune_rate: The highest rate where pretrained blocks are trained. `None` elsewhere.
    """
    name = str(genome["optimizer"])
    rate = fine_tune_rate
    schedule: float | optimizers.schedules.LearningRateSchedule
    if rate is not None:
        # Warm-up: the fresh optimizer state would otherwise make the first steps the largest of all.
        warmup = max(1, num_steps // 10)
        schedule = optimizers.schedules.CosineDecay(0.0, num_steps, warmup_target=rate, warmup_steps=warmup)
        # The range of rates is Adam's: far too small for plain descent, and RMSprop's first steps undo what others
        # have trained.
        name = name if name == "adamw" else "adam"
    else:
        rate = float(genome["sgd/learning_rate" if name == "sgd" else "learning_rate"])
        cosine = genome["schedule"] == "cosine"
        schedule = optimizers.schedules.CosineDecay(rate, num_steps) if cosine else rate
    if num_done and not isinstance(schedule, float):
        schedule = _Later(schedule, num_done=num_done)
    decay = float(genome.get("weight_decay", 0.0))
    if name == "adam":
        return Adam(schedule)
    if name == "adamw":
        return AdamW(schedule, weight_decay=decay)
    if name == "rmsprop":
        return RMSprop(schedule)
    return SGD(schedule, momentum=0.9, weight_decay=decay or None)
