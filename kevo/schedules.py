"""A genome's optimizer, with the learning rate that it has left after a pause."""

from __future__ import annotations

from typing import Any

from keras import optimizers

from kevo.space import Genome


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


def optimizer(genome: Genome, *, num_steps: int, num_done: int, fine_tune_rate: float | None) -> optimizers.Optimizer:
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
        # What is tuned was trained by others: a rate that fits Adam's steps is far too small for plain descent.
        name = "adam" if name == "sgd" else name
    else:
        rate = float(genome["sgd/learning_rate" if name == "sgd" else "learning_rate"])
        cosine = genome["schedule"] == "cosine"
        schedule = optimizers.schedules.CosineDecay(rate, num_steps) if cosine else rate
    if num_done and not isinstance(schedule, float):
        schedule = _Later(schedule, num_done=num_done)
    decay = float(genome.get("weight_decay", 0.0))
    if name == "adam":
        return optimizers.Adam(schedule)
    if name == "adamw":
        return optimizers.AdamW(schedule, weight_decay=decay)
    if name == "rmsprop":
        return optimizers.RMSprop(schedule)
    return optimizers.SGD(schedule, momentum=0.9, weight_decay=decay or None)
