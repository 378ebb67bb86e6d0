"""What kevo finds on this machine, and what it would make of it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import kevo
from kevo.errors import SettingsError
from kevo.execution import devices
from kevo.system import memory
from kevo.system.text import byte_size
from kevo.system.versions import version
from kevo.tasks.task import input_kinds

_PACKAGES = ("tensorflow", "keras", "keras-tuner", "numpy", "scikit-learn", "grpcio")


def findings() -> Iterator[tuple[str, str]]:
    """Yields what is looked at, and what was found."""
    yield "kevo", f"{kevo.__version__}, Python {platform.python_version()}"
    yield "packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    limit = memory.limit()
    yield "processor", f"{devices.num_cores()} cores"
    yield "memory", "unknown" if limit is None else ", ".join(filter(None, (byte_size(limit.num_bytes), limit.words)))
    yield "GPUs", ", ".join(_gpus()) or "none that TensorFlow sees"
    yield "--strategy auto", str(devices.plan("auto", num_workers=None, num_gpus=devices.num_gpus()))
    if os.environ.get(devices.TF_CONFIG):
        yield devices.TF_CONFIG, _cluster()
    for kind in input_kinds():
        yield from kind.findings()
    yield "free on disk", f"{byte_size(shutil.disk_usage(Path.cwd()).free)} here"


def _cluster() -> str:
    try:
        return f"{devices.Cluster.from_environment()}; for --strategy multiworker"
    except SettingsError as error:
        return str(error)


def _gpus() -> Iterator[str]:
    import tensorflow as tf

    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        yield str(details.get("device_name", device.name))
