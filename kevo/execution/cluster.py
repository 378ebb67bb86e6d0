"""The workers of a search on a Ray cluster: how they are started, and what they share of their machines."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kevo.errors import SettingsError
from kevo.system import memory, versions
from kevo.system.text import plural
from tuners.execution import ray_cluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from kevo.execution.job import TrialWork
    from tuners.execution.ray_pool import RayPool
    from tuners.execution.ray_worker import Resources

_JOB = f"{__name__}:build"
_MEMBER_JOB = "kevo.execution.multiworker.launch:train_along"
_MEMORY_SHARE = 0.8
"""The part of a machine's memory that workers may take together."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster, and what each trial gets of it.

    Args:
        address: `auto`, or the HOST:PORT of its head.
        cpus_per_trial: Cores.
        gpus_per_trial: GPUs: a fraction lets several trials share one, and a trial with several is mirrored over them.
            `None` for one where the cluster has any.

    Raises:
        SettingsError: a trial would get nothing, or a part of several GPUs.
    """

    address: str
    cpus_per_trial: float = 1.0
    gpus_per_trial: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.cpus_per_trial < math.inf:
            raise SettingsError(f"Received {self.cpus_per_trial} CPUs for each trial. Expected more than 0.")
        gpus = self.gpus_per_trial or 0.0
        if not 0 <= gpus < math.inf or (gpus > 1 and gpus != int(gpus)):
            raise SettingsError(f"Received {gpus} GPUs for each trial. Expected 0, a part of one, or a whole number.")

    def options(self) -> list[str]:
        """Returns the options with which `kevo resume` goes on there.

        Example:
            >>> Cluster("auto", gpus_per_trial=0.5).options()
            ['--cluster', 'auto', '--gpus-per-trial', '0.5']
        """
        words = ["--cluster", self.address]
        if self.cpus_per_trial != 1.0:
            words += ["--cpus-per-trial", f"{self.cpus_per_trial:g}"]
        if self.gpus_per_trial is not None:
            words += ["--gpus-per-trial", f"{self.gpus_per_trial:g}"]
        return words

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Connects this process to the cluster.

        Raises:
            SettingsError: that is not possible, or not safe.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(ray_cluster.connected(self.address))
            except ray_cluster.ClusterError as error:
                raise SettingsError(str(error)) from error
            yield

    def resources(self) -> Resources:
        """Returns what each trial gets of the cluster that this process is connected to."""
        from tuners.execution.ray_pool import nodes
        from tuners.execution.ray_worker import Resources

        gpus = self.gpus_per_trial
        if gpus is None:
            gpus = 1.0 if any(node.get("GPU") for node in nodes()) else 0.0
        return Resources(cpus=self.cpus_per_trial, gpus=gpus)

    def num_processes(self) -> int:
        """Returns how many processes train a trial together where it is spread: one on each machine, at least two."""
        from tuners.execution.ray_pool import nodes

        return max(2, sum(self.resources().num_trials(node) > 0 for node in nodes()))

    def describe(self, *, is_spread: bool = False) -> str:
        """Says in words which machines there are, and what a trial gets.

        Args:
            is_spread: Whether every trial is spread over several machines.
        """
        from tuners.execution.ray_pool import nodes

        found, each = list(nodes()), self.resources()
        share = _share(each)
        room = f"room for {plural(sum(map(each.num_trials, found)), 'worker')}"
        if is_spread:
            room = f"every candidate over {self.num_processes()} processes"
        return f"a cluster of {plural(len(found), 'machine')}, {room} (each one's {share})"

    def pool(
        self,
        arguments: Mapping[str, Any],
        *,
        num_workers: int | None,
        is_spread: bool,
        folder: Path,
        shared: Sequence[Path],
        note: Callable[[str], object],
    ) -> RayPool:
        """Returns the pool of a search's workers on the cluster that this process is connected to.

        Args:
            arguments: Those of `kevo.execution.job.build` that are the same on all machines.
            num_workers: How many workers there are to be; `None` for as many as fit.
            is_spread: Whether every trial is spread over all machines. Then there is one worker.
            folder: For their files here.
            shared: Files and folders that the arguments name.
            note: Is told what a user should know.
        """
        from tuners.execution.ray_pool import RayPool, nodes

        each = self.resources()
        if not any(each.num_trials(node) for node in nodes()):
            note(f"No machine of the cluster has room for a trial ({_share(each)}): the search waits for one that has.")
        threads = str(max(1, int(each.cpus)))
        return RayPool(
            _JOB,
            {**arguments, "is_mirrored": each.gpus > 1 and not is_spread, "work": str(folder)},
            folder=folder,
            resources=each,
            num_workers=1 if is_spread else num_workers,
            member_job=_MEMBER_JOB,
            num_processes=self.num_processes() if is_spread else 1,
            shared=shared,
            environment={
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "TF_NUM_INTRAOP_THREADS": threads,
                "OMP_NUM_THREADS": threads,
                "OPENBLAS_NUM_THREADS": threads,
                # Ray divides GPUs between workers, and does not keep TensorFlow from taking all of their memory.
                "TF_FORCE_GPU_ALLOW_GROWTH": "true",
                **({} if each.gpus else {"CUDA_VISIBLE_DEVICES": ""}),
            },
            versions=f"{versions.__name__}:{versions.shared.__name__}",
            memory_use=f"{__name__}:memory_use",
            note=note,
        )


def _share(each: Resources) -> str:
    """Says in words what a trial gets."""
    return f"CPUs: {each.cpus:g}" + (f", GPUs: {each.gpus:g}" if each.gpus else "")


def build(*, work: str, folder: str, arguments: Mapping[str, Any], **others: Any) -> TrialWork:
    """Makes the work of one worker on a cluster; see `kevo.execution.job.build`.

    Args:
        work: The folder of the search's process for files of workers.
        folder: This worker's own.
        arguments: What the trainer needs besides.
        others: As for `job.build`.
    """
    from kevo.execution import job

    cache = arguments.get("cache")
    if cache is not None and Path(cache).is_relative_to(work) and not Path(work).is_dir():
        # Features are to be kept for this search only, and its folder is on another machine.
        arguments = {**arguments, "cache": str(Path(folder, "features"))}
    return job.build(arguments=arguments, folder=folder, is_spread=False, share=None, **others)


def describe_token() -> str:
    """Says in words where Ray's token comes from, and whether it is used."""
    source, mode = ray_cluster.token_source(), os.environ.get("RAY_AUTH_MODE", "not set")
    return f"{f'from {source}' if source else 'none'}; RAY_AUTH_MODE is {mode}"


def memory_use(part: float) -> float:
    """Returns how much of its share of the machine's memory this process takes: 1 for all of it.

    Args:
        part: Which part of the machine its share is.
    """
    limit, held = memory.limit(), memory.resident()
    return 0.0 if limit is None or held is None else held / (_MEMORY_SHARE * limit.num_bytes * part)
