"""What a model's file would take in memory, told from its configuration before anything of that is taken.

Keras allocates a layer's weights when it builds the layer, whatever the file holds. In a stateless scope it knows their
shapes and no more. What a file asks for is then compared with what it brings, and with the memory of the machine.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kevo.system.text import byte_size

if TYPE_CHECKING:
    import keras

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", ".h5"
_WAITING = "uninitialized_variables"
_COMPILED = "compile_config"
_MOST_CONFIG_BYTES = 64 * 1000**2
_MOST_INPUTS = 4096 * 4096 * 4
_MEMORY_SHARE = 1 / 4
"""The part of the memory that a model's file, or one layer's outputs for one example, may take."""
_NUM_BYTES = 4
"""Bytes of a number that a layer answers."""
_MOST_ARRAYS = 100_000
_SLACK = 64 * 1024
"""So many bytes of variables may be missing in a file: the states of random numbers, for one."""


class ModelSizeError(ValueError):
    """A model's file asks for more than it may; the words go on from its path."""


def check_archive(path: Path, limit: int | None) -> None:
    """Refuses a `.keras` file that unpacks to too much.

    Args:
        path: The file.
        limit: The memory that may be used, in bytes; `None` for no limit.

    Raises:
        ModelSizeError: it does.
        Exception: it is no zip archive.
    """
    with zipfile.ZipFile(path) as archive:
        num_bytes = sum(member.file_size for member in archive.infolist())
    if limit is not None and num_bytes > limit * _MEMORY_SHARE:
        raise ModelSizeError(
            f"unpacks to {byte_size(num_bytes)}, too much for the {byte_size(limit)} of memory that may be used here. "
            "Use it on a machine with more."
        )


def check(path: Path, limit: int | None) -> None:
    """Refuses a `.keras` file whose model would take too much memory. Nothing of the model is built.

    Args:
        path: The file.
        limit: The memory that may be used, in bytes; `None` for no limit.

    Raises:
        ModelSizeError: its layers have more weights than the file brings, or it takes or makes huge arrays.
        Exception: whatever Keras raises where the file is damaged, or holds code of its own.
    """
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        if _CONFIG not in sizes:
            # Keras says what it misses.
            return
        if sizes[_CONFIG] > _MOST_CONFIG_BYTES:
            raise ModelSizeError(
                f"has a configuration of {byte_size(sizes[_CONFIG])}. Expected at most "
                f"{byte_size(_MOST_CONFIG_BYTES)}: no network needs more words."
            )
        config = json.loads(archive.read(_CONFIG))
        for name in sizes:
            if name.endswith(_WEIGHTS):
                _check_weights(archive, name)
    with _outlined(config) as model:
        held = sum(size for name, size in sizes.items() if name not in (_CONFIG, _METADATA))
        needed = sum(_size(variable) for variable in getattr(model, "variables", ()))
        if needed > held + _SLACK:
            raise ModelSizeError(
                f"has layers with {byte_size(needed)} of weights, and holds {byte_size(held)} of them. Expected all "
                "weights in the file: get it anew from where it comes from."
            )
        _check_arrays(model, limit)


def _check_weights(archive: zipfile.ZipFile, name: str) -> None:
    """Refuses arrays that say to be larger than the file that they are in, or lie in another file."""
    import h5py

    member = archive.getinfo(name)
    with contextlib.ExitStack() as stack:
        # What is packed cannot be read out of order.
        stored = member.compress_type == zipfile.ZIP_STORED
        stream = stack.enter_context(archive.open(name)) if stored else io.BytesIO(archive.read(name))
        try:
            file = stack.enter_context(h5py.File(stream, "r"))
        except OSError:
            # Keras says what is wrong with it.
            return
        arrays: list[h5py.Dataset] = []
        groups: list[h5py.Group] = [file]
        while groups:
            group = groups.pop()
            for key in group:
                # What another place is named for is followed nowhere: neither to another file nor in a circle.
                if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                    raise ModelSizeError(f"has weights that lie elsewhere ({name}: {key[:50]!r}): build it anew.")
                one = group[key]
                (groups if isinstance(one, h5py.Group) else arrays).append(one)
                if len(groups) + len(arrays) > _MOST_ARRAYS:
                    raise ModelSizeError(f"has more than {_MOST_ARRAYS:,} weights. Expected fewer.")
        if any(one.is_virtual or one.external for one in arrays):
            raise ModelSizeError(f"has weights that lie in another file ({name}): build it anew.")
        stated = sum(one.nbytes for one in arrays)
        if stated > member.file_size:
            raise ModelSizeError(
                f"states {byte_size(stated)} of weights in a file of {byte_size(member.file_size)} ({name}). Get it "
                "anew from where it comes from."
            )


@contextlib.contextmanager
def _outlined(config: dict[str, Any]) -> Iterator[Any]:
    """Yields what a configuration describes, with variables that have a shape and no values."""
    import keras
    from keras.src.backend.common import global_state

    # Keras would give them values at the end of the next scope.
    waiting = list(global_state.get_global_attribute(_WAITING) or [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield keras.saving.deserialize_keras_object(_uncompiled(config), safe_mode=True)
    finally:
        global_state.set_global_attribute(_WAITING, waiting)


def _uncompiled(config: Any) -> Any:
    """Returns a configuration without optimizers, those of models in the model included: none is ever loaded."""
    if isinstance(config, dict):
        return {key: _uncompiled(value) for key, value in config.items() if key != _COMPILED}
    return [_uncompiled(value) for value in config] if isinstance(config, list) else config


def _size(variable: Any) -> int:
    """The bytes of a variable."""
    bits = re.search("[0-9]+", str(variable.dtype))
    num_bytes: int = math.ceil(math.prod(variable.shape) * (int(bits[0]) if bits else 8) / 8)
    return num_bytes


def _check_arrays(model: Any, limit: int | None) -> None:
    largest = max((math.prod(filter(None, one.shape)) for one in getattr(model, "inputs", None) or ()), default=0)
    if largest > _MOST_INPUTS:
        raise ModelSizeError(
            f"takes {largest:,} numbers for one example. Expected at most {_MOST_INPUTS:,}: models of pictures that "
            "are so large do not come from kevo."
        )
    needed = _NUM_BYTES * max([largest, *map(_num_outputs, layers(model))])
    if limit is not None and needed > limit * _MEMORY_SHARE:
        raise ModelSizeError(
            f"needs {byte_size(needed)} at least for one example, too much for the {byte_size(limit)} of memory that "
            "may be used here. Use it on a machine with more."
        )


def layers(model: Any) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a model and of the models in it."""
    for layer in getattr(model, "layers", ()):
        if hasattr(layer, "layers"):
            yield from layers(layer)
        else:
            yield layer


def _num_outputs(layer: keras.layers.Layer) -> int:
    """Returns how many numbers a layer makes of one example at least; 0 where that is not known."""
    import keras

    try:
        return sum(math.prod(filter(None, one.shape)) for one in keras.tree.flatten(layer.output))
    except AttributeError:
        # It was never called, or several times.
        return 0
