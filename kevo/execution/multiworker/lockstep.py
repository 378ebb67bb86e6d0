"""A network that several processes train in lock step: each takes its share of every batch.

`tf.distribute.MultiWorkerMirroredStrategy` sums gradients, and gives all of them the same first weights. It wants all
processes to do the same in the same order, and so only the epochs of a training are theirs together. The first process
makes every decision by itself, with a network of its own: what to train, when to stop, which epoch was best. To the
others it says through a plain connection what the next stage is, and when to go on with it:

    hello       what all must have in common: versions and data
    form        all are there: TensorFlow may join them
    stage       a network, its weights, and what it learns
    epoch       the next part of an epoch
    end_after   when the learning rate is to have fallen to its end
    over        the search is at its end

What learns from pictures is spread: conv stacks, and backbones of which nothing stays frozen or whose feature maps are
too large to be kept. What learns from features that are there already costs little, and the first process trains it
alone; so it does with validation.

TensorFlow notices within some ten seconds that a process is gone, or stands still, and ends what the others are at. It
cannot join processes twice: all begin anew, with the same candidate, once. That holds for want of memory too: half the
batch is not tried.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.errors import describe_error
from kevo.execution.devices import Cluster
from kevo.execution.multiworker.rendezvous import Line, MissingError, answered, called
from kevo.tasks.protocols.training import StageData
from kevo.training.answers import Answers
from kevo.training.loop import Loop
from kevo.training.stage import StageSpec

_FORM_SECONDS = 120
"""How long TensorFlow may take to join processes that are all there. It would wait for an hour, and hold Python's lock
meanwhile: only the system can end that."""


class PartedError(BaseException):
    """The processes do not train together any more. No failure of the candidate's: it goes past them."""


class Leader:
    """The first of the processes.

    Args:
        lines: The others.
        seed: That of the search.
    """

    def __init__(self, lines: Sequence[Line], *, seed: int) -> None:
        self._lines = lines
        self._seed = seed
        self._strategy = _joined()

    @classmethod
    def gather(
        cls,
        cluster: Cluster,
        *,
        terms: Mapping[str, Any],
        seed: int,
        patience_seconds: float,
        watch: Callable[[], object],
    ) -> Self:
        """Waits for the others and joins with them, before TensorFlow does anything else.

        Args:
            cluster: Where they are.
            terms: What all must have in common.
            seed: That of the search.
            patience_seconds: How long to wait.
            watch: Is called while it waits; what it raises ends that.

        Raises:
            MissingError: one of them is not there, or has other data or another version.
        """
        until = time.monotonic() + patience_seconds
        others = cluster.addresses[1:]
        lines = [called(address, terms, until=until, watch=watch) for address in others]
        try:
            for line in lines:
                line.say({"form": True})
            return cls(lines, seed=seed)
        except (OSError, tf.errors.OpError) as error:
            raise MissingError(f"Not all of {', '.join(others)} could be joined: {describe_error(error)}.") from error

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
        """Marks a step that all processes take at once; an error in it parts them."""
        try:
            yield
        except Exception as error:
            is_gone = isinstance(error, OSError | tf.errors.UnavailableError)
            reason = "one is gone, or stands still" if is_gone else describe_error(error)
            raise PartedError(f"the processes that train together have parted: {reason}") from error

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


def follow(
    cluster: Cluster,
    stage_data: StageData,
    *,
    terms: Mapping[str, Any],
    seed: int,
    patience_seconds: float,
    note: Callable[[str], object] = lambda text: None,
) -> bool:
    """Trains along, before TensorFlow does anything else in this process.

    Args:
        cluster: Where all are.
        stage_data: Returns what a stage learns from here.
        terms: What all must have in common.
        seed: That of the search.
        patience_seconds: How long to wait for the first process.
        note: Is told what happens.

    Returns:
        Whether the search is over; `False` if the processes have parted, and this one is to begin anew.

    Raises:
        MissingError: the first process has not called.
        SettingsError: this process cannot be reached at its address, or has other data or another version.
    """
    line = answered(cluster, terms, patience_seconds=patience_seconds)
    if line is None:
        return False
    strategy = _joined()
    note("Trains along.")
    loop: Loop | None = None
    epoch: Iterator[Any] = iter(())
    try:
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
    except (OSError, tf.errors.OpError) as error:
        note(f"The processes have parted: {describe_error(error)}.")
        return False
    finally:
        # The first process is to notice soon.
        line.close()
    return True


def _joined() -> tf.distribute.Strategy:
    signal.alarm(_FORM_SECONDS)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    signal.alarm(0)
    # TensorFlow keeps it to itself.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return strategy


def _unpacked(payload: bytes, like: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    starts = itertools.accumulate((one.nbytes for one in like), initial=0)
    return [
        np.frombuffer(payload, one.dtype, count=one.size, offset=start).reshape(one.shape)
        for one, start in zip(like, starts, strict=False)
    ]
