"""A genome's optimizer, with a learning rate that is fitted to the length of the training.

Keras writes an update as a dozen operations for each variable, which in a small network are a good part of all. Here
the same arithmetic is done by TensorFlow's fused kernels, one for each variable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import tensorflow as tf
from keras import optimizers, saving

from kevo.training.evolution import EVOLUTION

Genes = Mapping[str, str | int | float | bool]
"""A candidate's genes, those included that only its network is made from."""


_RATES = ("learning_rate", "sgd/learning_rate", "fine_tune/learning_rate")


def at_rate(genome: Genes, factor: float) -> Genes:
    """Returns a genome with all of its learning rates multiplied by a factor."""
    return {**genome, **{name: factor * float(genome[name]) for name in _RATES if name in genome}}


class _Direct(optimizers.Optimizer):  # type: ignore[misc]
    """Updates variables one after the other, without a sum of gradients over replicas where there is but one.

    TensorFlow writes the gradient of such a sum into a table that is never emptied: all graphs of all candidates, some
    megabytes for each, would stay in memory. What is the same for all variables, such as the learning rate, is computed
    once: in the graph of a small network it would be a quarter of all operations.
    """

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if tf.distribute.has_strategy():
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable.value, learning_rate)

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        if self.weight_decay is None or tf.distribute.has_strategy():
            super()._apply_weight_decay(variables)
            return
        rate = self.learning_rate
        for variable in variables:
            if self._use_weight_decay(variable):
                value = variable.value
                value.assign_sub(value * self.weight_decay * tf.cast(rate, value.dtype))


class _FusedAdam(_Direct):
    """The update of Keras's Adam and AdamW (Kingma and Ba 2015, arXiv:1412.6980), fused."""

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if tf.distribute.has_strategy():
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        step = tf.cast(self.iterations + 1, tf.float32)
        powers = self.beta_1**step, self.beta_2**step
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            value, index = variable.value, self._get_variable_index(variable)
            first, second, rate = (tf.cast(one, value.dtype) for one in (*powers, learning_rate))
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                beta1_power=first,
                beta2_power=second,
                lr=rate,
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


class Horizon:
    """The step at which a stage of training ends. It may come nearer while the stage runs: time is up sooner, say.

    Args:
        num_steps: Steps of the whole stage, those before a pause included.
    """

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.step = tf.Variable(float(num_steps), trainable=False, name="horizon")
        """The step, as graphs read it."""

    def move(self, num_steps: float) -> None:
        """Lets the stage end after `num_steps`, but no later than planned."""
        self.step.assign(max(1.0, min(num_steps, self.num_steps)))


@saving.register_keras_serializable(package="kevo")
class Cycle(optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate that rises once in a straight line, and falls to 0 at the horizon by half a cosine.

    Loshchilov and Hutter 2017, arXiv:1608.03983; Smith and Topin 2019, arXiv:1708.07120. That the fall is fitted to
    what can be paid for is from Li et al. 2020, "Budgeted training", arXiv:1905.04753.

    Args:
        rate: The highest rate.
        horizon: Where it ends.
        rise: The share of all steps in which it rises; 0 begins at the top.
        num_done: Steps that were taken before a pause: the optimizer's own then count from 0 again, since its means of
            the gradients do so too.
    """

    def __init__(self, rate: float, horizon: Horizon, *, rise: float = 0.0, num_done: int = 0) -> None:
        super().__init__()
        self._rate = rate
        self._horizon = horizon
        self._rise = rise
        self._num_done = num_done

    def __call__(self, step: Any) -> Any:
        done = tf.minimum((tf.cast(step, tf.float32) + self._num_done) / self._horizon.step, 1.0)
        fallen = tf.maximum(done - self._rise, 0.0) / (1.0 - self._rise)
        falling = self._rate * 0.5 * (1.0 + tf.cos(math.pi * fallen))
        return tf.minimum(falling, self._rate * done / self._rise) if self._rise else falling

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same schedule from, with a horizon of its own."""
        return {
            "rate": self._rate,
            "num_steps": self._horizon.num_steps,
            "rise": self._rise,
            "num_done": self._num_done,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns the schedule of a configuration."""
        values = dict(config)
        return cls(values.pop("rate"), Horizon(values.pop("num_steps")), **values)


_RISES = {"cosine": 0.0, "one_cycle": 0.2}
"""The schedules in which the rate falls, and for which share of the steps it rises before."""
_TUNING_RISE = 0.1
"""The same for fine-tuning: the fresh optimizer state would otherwise make the first steps the largest of all."""


def optimizer(genome: Genes, *, horizon: Horizon, num_done: int, fine_tune_rate: float | None) -> optimizers.Optimizer:
    """Makes the optimizer of one stage of training.

    Args:
        genome: The genome.
        horizon: Where the stage ends: the learning rate falls up to there.
        num_done: Steps that were taken before a pause.
        fine_tune_rate: The highest rate where pretrained blocks are trained. `None` elsewhere.
    """
    name = str(genome["optimizer"])
    schedule: float | Cycle
    if fine_tune_rate is not None:
        schedule = Cycle(fine_tune_rate, horizon, rise=_TUNING_RISE, num_done=num_done)
        # The range of rates is Adam's: far too small for plain descent, and RMSprop's first steps undo what others
        # have trained.
        name = name if name == "adamw" else "adam"
    else:
        schedule = float(genome["sgd/learning_rate" if name == "sgd" else "learning_rate"])
        if (rise := _RISES.get(str(genome["schedule"]))) is not None:
            schedule = Cycle(schedule, horizon, rise=rise, num_done=num_done)
    decay = float(genome.get("weight_decay", 0.0))
    if name in ("adam", EVOLUTION):
        # What evolves weights estimates gradients.
        return Adam(schedule)
    if name == "adamw":
        return AdamW(schedule, weight_decay=decay)
    if name == "rmsprop":
        return RMSprop(schedule)
    return SGD(schedule, momentum=0.9, weight_decay=decay or None)
