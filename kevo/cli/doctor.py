"""What kevo finds on this machine, and what it would make of it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kevo
from kevo.execution import devices
from kevo.execution.cluster import Cluster, describe_token
from kevo.system import memory, versions
from kevo.system.text import byte_size, plural
from kevo.tasks.registry import input_kinds

_EXTRAS = {
    "onnx": "onnx",
    "mlflow": "mlflow",
    "codecarbon": "codecarbon",
    "optuna": "optuna",
    "ray": "ray",
    "serve": "fastapi",
}
"""A package of each extra."""
_PACKAGES = ("tensorflow", "keras", "keras-tuner", "numpy", "scikit-learn")


_ANSWER_SECONDS = 60.0
"""How long a machine of a cluster may take to say its versions."""


def findings() -> Iterator[tuple[str, str]]:
    """Yields what is looked at, and what was found."""
    yield "kevo", f"{kevo.__version__}, Python {platform.python_version()}"
    yield "packages", ", ".join(f"{name} {versions.version(name)}" for name in _PACKAGES)
    yield "extras", ", ".join(f"{extra} ({package} {versions.version(package)})" for extra, package in _EXTRAS.items())
    limit = memory.limit()
    yield "processor", f"{devices.num_cores()} cores"
    yield "memory", "unknown" if limit is None else ", ".join(filter(None, (byte_size(limit.num_bytes), limit.words)))
    yield "GPUs", ", ".join(_gpus()) or "none that TensorFlow sees"
    yield "--strategy auto", str(devices.plan("auto", num_workers=None, num_gpus=devices.num_gpus()))
    for kind in input_kinds():
        yield from kind.findings()
    yield "free on disk", f"{byte_size(shutil.disk_usage(Path.cwd()).free)} here"


def cluster_findings(address: str) -> Iterator[tuple[str, str]]:
    """Yields what is looked at on a Ray cluster, and what was found.

    Args:
        address: As for `kevo.search`.

    Raises:
        SettingsError: there is no such cluster, or it cannot be used safely.
    """
    cluster = Cluster(address)
    with cluster.connected():
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        yield "cluster", f"{ray.get_runtime_context().gcs_address}, Ray {ray.__version__}"
        yield "token", describe_token()
        yield "here", ", ".join(f"{name} {version}" for name, version in versions.shared().items())
        yield "a search has", cluster.describe()
        look = ray.remote(num_cpus=0)(versions.shared)
        for node in ray.nodes():
            if node["Alive"]:
                strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                yield node["NodeManagerHostname"], _machine(node, look.options(scheduling_strategy=strategy).remote())


def _machine(node: Mapping[str, Any], found: Any) -> str:
    """Says in words what a machine has, and what differs there."""
    import ray

    has, here = node["Resources"], versions.shared()
    words = [plural(int(has.get("CPU", 0)), "CPU"), plural(int(has.get("GPU", 0)), "GPU")]
    words.append(f"{byte_size(int(has.get('memory', 0)))} of memory")
    try:
        there = ray.get([found], timeout=_ANSWER_SECONDS)[0]
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines()
        return ", ".join([*words, f"cannot run kevo: {lines[-1] if lines else type(error).__name__}"])
    different = [f"{name} {there.get(name)}" for name in here if there.get(name) != here[name]]
    return ", ".join([*words, *(different or ["the same versions"])])


def _gpus() -> Iterator[str]:
    import tensorflow as tf

    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        yield str(details.get("device_name", device.name))
