"""Which devices train, and whether a candidate gets one of them or several.

Many small candidates side by side use several GPUs better than one candidate that is spread over all of them, and under
a strategy Keras compiles nothing with XLA. So a strategy is used only where fewer workers than GPUs are asked for.

Without GPUs there is one worker unless more are asked for, and it has all cores: a backbone's pass fills them, while
other workers would wait for the same features; and the last trainings, of which one decides what the next is, would
have a part of the cores only. With one worker the same seed gives the same search, too; with more it depends on who is
done first. What several gain are small conv stacks, which fill no second core: two train nearly twice as many of them
on two cores.

Networks for tables and texts are smaller still: threads that share their work mostly wait for each other. Where time
ends a search, so that no two are alike anyway, there is a worker for each core, up to four.

Under any strategy the batch size and the learning rate stay a candidate's own: every batch is divided between devices.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kevo.errors import SettingsError
from kevo.system import memory
from kevo.system.text import plural

if TYPE_CHECKING:
    import tensorflow as tf

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_WORKERS_FOR_EACH = 4
"""So many workers may share a core or a GPU: with more, a machine is busy with nothing but starting them."""
_MOST_SIDE_BY_SIDE = 4
"""So many workers are started unasked."""
_BYTES_OF_ONE = 10**9
"""What one of them takes at most, and the search itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The devices of each worker.

    Args:
        gpus: For each worker process the numbers of its GPUs, none where there are none.
        is_mirrored: Whether a candidate is spread over all of its worker's GPUs.
        is_spread: Whether it is spread over two processes.
    """

    gpus: tuple[tuple[int, ...], ...]
    is_mirrored: bool
    is_spread: bool = False

    @property
    def num_workers(self) -> int:
        """How many worker processes there are."""
        return len(self.gpus)

    @property
    def num_processes(self) -> int:
        """How many processes train: the workers, and those that train along with them."""
        return self.num_workers * (2 if self.is_spread else 1)

    def environment(self, worker: int, *, num_cores: int) -> dict[str, str]:
        """Returns the environment variables that keep a worker on its devices.

        Args:
            worker: Its place among the workers, from 0.
            num_cores: Of the machine, for all workers together.
        """
        threads = str(max(1, num_cores // self.num_processes))
        # Without a GPU nothing is hidden: there is nothing to share.
        # Where only some GPUs may be used at all, numbers count among these.
        visible = [name for name in os.environ.get(_VISIBLE, "").split(",") if name]
        mine = [visible[gpu] if gpu < len(visible) else str(gpu) for gpu in self.gpus[worker]]
        devices = {_VISIBLE: ",".join(mine)} if mine else {}
        return {
            "TF_NUM_INTRAOP_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            # TensorFlow would take all memory of every GPU that it sees, also where two workers share one.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            **devices,
        }

    def __str__(self) -> str:
        """Describes the workers and their devices."""
        if self.is_spread:
            have = plural(len(self.gpus[0]), "GPU") if self.gpus[0] else "CPU"
            return f"every candidate over two processes of this machine, {have}"
        if not any(self.gpus):
            return f"{plural(self.num_workers, 'worker')} on the CPU, no strategy"
        each = " and ".join(plural(num, "GPU") for num in sorted({len(one) for one in self.gpus}))
        strategy = "every candidate mirrored over these" if self.is_mirrored else "no strategy"
        return f"{plural(self.num_workers, 'worker')} with {each} each, {strategy}"


def plan(strategy: str, *, num_workers: int | None, num_gpus: int) -> Plan:
    """Divides the machine's devices between workers.

    Args:
        strategy: One of `kevo.settings.STRATEGIES`.
        num_workers: How many worker processes are asked for. `None` leaves that open: one for each GPU, or a single one
            for all where candidates are mirrored.
        num_gpus: How many GPUs there are.

    Raises:
        SettingsError: candidates are to be mirrored, but there are not two GPUs for each worker; or they are to be
            spread over processes, but these cannot be had.

    Example:
        >>> print(plan("auto", num_workers=None, num_gpus=4))
        4 workers with 1 GPU each, no strategy
        >>> print(plan("auto", num_workers=1, num_gpus=4))
        1 worker with 4 GPUs each, every candidate mirrored over these
    """
    if num_workers == 0:
        return Plan((), is_mirrored=False)
    if strategy == "multiworker":
        return _spread(num_gpus=num_gpus)
    wanted = num_workers or (1 if strategy == "mirrored" else max(1, num_gpus))
    if strategy == "mirrored" and num_gpus < 2 * wanted:
        raise SettingsError(
            f"Mirroring needs at least two GPUs for each worker. Found {plural(num_gpus, 'GPU')} for "
            f"{plural(wanted, 'worker')}. Ask for fewer workers, or for another strategy."
        )
    if strategy != "none" and num_gpus >= 2 * wanted:
        shares = [tuple(range(worker, num_gpus, wanted)) for worker in range(wanted)]
        return Plan(tuple(shares), is_mirrored=True)
    gpus = tuple((worker % num_gpus,) if num_gpus else () for worker in range(wanted))
    return Plan(gpus, is_mirrored=False)


def _spread(*, num_gpus: int) -> Plan:
    if num_gpus % 2:
        raise SettingsError(
            f"Two processes cannot share {plural(num_gpus, 'GPU')} evenly. Set CUDA_VISIBLE_DEVICES to an even number "
            "of them, or take another strategy."
        )
    return Plan((tuple(range(num_gpus)),), is_mirrored=False, is_spread=True)


def num_cores() -> int:
    """Counts the cores that this process may use."""
    # Not every system tells.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_workers(*, num_gpus: int) -> int:
    """Returns how many worker processes this machine may be asked for at most."""
    return _WORKERS_FOR_EACH * max(num_cores(), num_gpus)


def side_by_side() -> int:
    """Returns how many workers train small networks by default: one on each core, as far as there is memory."""
    found = memory.usable()
    fitting = _MOST_SIDE_BY_SIDE if found is None else found // _BYTES_OF_ONE - 1
    return max(1, min(num_cores(), _MOST_SIDE_BY_SIDE, fitting))


def share_memory() -> None:
    """Keeps this process from taking all memory of all GPUs, which workers need; before TensorFlow looks at them."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def num_gpus() -> int:
    """Counts the GPUs that TensorFlow sees; this takes none of their memory."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def mirrored() -> tf.distribute.Strategy:
    """Returns a strategy over all GPUs that this process sees, all CPUs where there are none."""
    import tensorflow as tf

    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(kind)])
