"""A network that several processes train in lock step: each takes its share of every batch.

`tf.distribute.MultiWorkerMirroredStrategy` sums gradients, and gives all of them the same first weights. It wants all
processes to do the same in the same order, and so only the epochs of a training are theirs together. The first process
makes every decision by itself, with a network of its own: what to train, when to stop, which epoch was best. To the
others it says what the next stage is, and when to go on with it:

    stage       a network, its weights, and what it learns
    epoch       the next part of an epoch
    end_after   when the learning rate is to have fallen to its end
    over        the search is at its end

What learns from pictures is spread: conv stacks, and backbones of which nothing stays frozen or whose feature maps are
too large to be kept. What learns from features that are there already costs little, and the first process trains it
alone; so it does with validation.

TensorFlow waits up to an hour for a process that is missing, and holds Python's lock meanwhile, so that nothing can end
that. So all are there before they join. It notices within some ten seconds that a process is gone, or stands still, and
ends what the others are at. It cannot join processes twice: all begin anew, with the same candidate, once. That holds
for want of memory too: half the batch is not tried.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.errors import describe_error
from kevo.execution.multiworker.line import Incoming, Outgoing
from kevo.tasks.protocols.training import StageData
from kevo.training.answers import Answers
from kevo.training.loop import Loop
from kevo.training.stage import StageSpec
from tuners.execution.executor import UnfitError

_FORM_SECONDS = 120
"""How long TensorFlow may take to join processes that are all there. It would wait for an hour, and hold Python's lock
meanwhile: only the system can end that."""


class Leader:
    """The first of the processes. It is made before TensorFlow does anything else in this process.

    Args:
        lines: The others, which are there and join at the same time.
        addresses: Host and port where TensorFlow is to listen in each process, this one first.
        seed: That of the search.

    Raises:
        UnfitError: they cannot be joined.
    """

    def __init__(self, lines: Sequence[Outgoing], addresses: Sequence[str], *, seed: int) -> None:
        self._lines = lines
        self._seed = seed
        try:
            self._strategy = _joined(addresses, 0)
        except tf.errors.OpError as error:
            raise UnfitError(f"Not all of {', '.join(addresses)} could be joined: {describe_error(error)}.") from error

    def loop(
        self, network: keras.Model, inputs: Sequence[npt.NDArray[Any]], answers: Answers, spec: StageSpec
    ) -> _Together:
        """Returns the epoch loop of all processes; the network's weights are updated after each part of an epoch."""
        layout, weights = network.to_json(), network.get_weights()
        with self.in_step():
            message = {"stage": dataclasses.asdict(spec) | {"genome": dict(spec.genome)}, "layout": layout}
            self.say(message, b"".join(one.tobytes() for one in weights))
            with self._strategy.scope():
                twin = keras.models.model_from_json(layout)
                twin.set_weights(weights)
                loop = spec.loop(twin, inputs, answers, seed=self._seed)
        return _Together(self, network, twin, loop)

    def say(self, message: Mapping[str, Any], payload: bytes = b"") -> None:
        """Sends a message to all others."""
        for line in self._lines:
            line.say(message, payload)

    @contextlib.contextmanager
    def in_step(self) -> Iterator[None]:
        """Marks a step that all processes take at once; an error in it parts them.

        Raises:
            UnfitError: they have parted. That is no failure of the candidate, and goes past it.
        """
        try:
            yield
        except Exception as error:
            is_gone = isinstance(error, OSError | tf.errors.UnavailableError)
            reason = "one is gone, or stands still" if is_gone else describe_error(error)
            raise UnfitError(f"the processes that train together have parted: {reason}") from error

    def end(self) -> None:
        """Tells the others that the search is at its end."""
        with contextlib.suppress(OSError):
            self.say({"over": True})


class _Together:
    """Epochs of training in all processes."""

    def __init__(self, leader: Leader, network: keras.Model, twin: keras.Model, loop: Loop) -> None:
        self._leader = leader
        self._network = network
        self._twin = twin
        self._loop = loop

    def epoch(self, number: int) -> Iterator[tuple[float, dict[str, float]]]:
        """Trains as `Loop.epoch` does."""
        parts = self._loop.epoch(number)
        for part in itertools.count():
            with self._leader.in_step():
                self._leader.say({"epoch": number, "part": part})
                found = next(parts, None)
            if found is None:
                return
            self._network.set_weights(self._twin.get_weights())
            yield found

    def end_after(self, num_epochs: float) -> None:
        """Does as `Loop.end_after` does, in all processes."""
        with self._leader.in_step():
            self._leader.say({"end_after": num_epochs})
            self._loop.end_after(num_epochs)


def follow(line: Incoming, stage_data: StageData, *, addresses: Sequence[str], index: int, seed: int) -> None:
    """Trains along until the search is over, before TensorFlow does anything else in this process.

    Args:
        line: The first process.
        stage_data: Returns what a stage learns from here.
        addresses: As for `Leader`.
        index: The place of this process among them.
        seed: That of the search.

    Raises:
        OSError, OpError: the processes have parted; this one cannot join them again.
    """
    strategy = _joined(addresses, index)
    loop: Loop | None = None
    epoch: Iterator[Any] = iter(())
    while "over" not in (heard := line.hear())[0]:
        message, payload = heard
        if "stage" in message:
            keras.backend.clear_session()
            spec = StageSpec(**message["stage"])
            with strategy.scope():
                network = keras.models.model_from_json(message["layout"])
                network.set_weights(_unpacked(payload, network.get_weights()))
                loop = spec.loop(network, *stage_data(spec), seed=seed)
        elif loop is not None and "end_after" in message:
            loop.end_after(message["end_after"])
        elif loop is not None:
            if message["part"] == 0:
                epoch = loop.epoch(message["epoch"])
            next(epoch, None)


def _joined(addresses: Sequence[str], index: int) -> tf.distribute.Strategy:
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": list(addresses)}, "task": task})
    signal.alarm(_FORM_SECONDS)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    signal.alarm(0)
    if threading.current_thread() is threading.main_thread():
        # TensorFlow keeps it to itself.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return strategy


def _unpacked(payload: bytes, like: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    starts = itertools.accumulate((one.nbytes for one in like), initial=0)
    return [
        np.frombuffer(payload, one.dtype, count=one.size, offset=start).reshape(one.shape)
        for one, start in zip(like, starts, strict=False)
    ]
