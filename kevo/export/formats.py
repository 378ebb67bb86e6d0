"""The formats as a table, which loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from kevo.errors import SettingsError
from kevo.system import versions
from kevo.tasks.protocols.export import Exportable, Predict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

QUANTIZATIONS = ("none", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a format is made of.

    Args:
        source: The model's `.keras` file.
        exportable: What was loaded from it.
        shape: The shape of the inputs that the export is to take; `None` stands for any number.
        calibration: Yields examples to quantize by, each as a batch; `None` for no quantization.
    """

    source: Path
    exportable: Exportable
    shape: tuple[int | None, ...]
    calibration: Callable[[], Iterator[npt.NDArray[np.float32]]] | None = None


class Converter(Protocol):
    """A module that knows one format."""

    def write(self, job: Job, path: Path) -> None:
        """Writes the model to `path`."""

    def opened(self, path: Path) -> Predict:
        """Loads what `write` wrote as a program would that knows nothing of Keras."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format's facts.

    Args:
        name: What users call it.
        module: The `Converter`; resolved on use, so that this table loads no TensorFlow.
        suffix: How its names end.
        is_folder: Whether it is no file but a folder.
        is_fixed_size: Whether it takes one example at a time, of the network's own size.
        quantizations: How its numbers may be stored.
        extra: The extra of kevo that brings its packages; `None` where kevo itself does.
        packages: What has to be importable.
    """

    name: str
    module: str
    suffix: str
    is_folder: bool = False
    is_fixed_size: bool = False
    quantizations: tuple[str, ...] = ("none",)
    extra: str | None = None
    packages: tuple[str, ...] = ()

    def converter(self) -> Converter:
        """Returns the module that knows the format.

        Raises:
            SettingsError: a package that it needs is not installed.
        """
        missing = [name for name in self.packages if util.find_spec(name) is None]
        if missing and self.extra is not None:
            raise SettingsError(
                f"The format {self.name} needs {', '.join(missing)}, which is not installed here. Install it: "
                f"{versions.how_to_install(self.extra)}"
            )
        return cast("Converter", import_module(self.module))


FORMATS = {
    row.name: row
    for row in (
        Format(name="keras", module="kevo.export.keras_file", suffix=".keras"),
        Format(name="savedmodel", module="kevo.export.saved_model", suffix="-savedmodel", is_folder=True),
        Format(
            name="tflite",
            module="kevo.export.tflite",
            suffix=".tflite",
            is_fixed_size=True,
            quantizations=QUANTIZATIONS,
        ),
        Format(
            name="onnx",
            module="kevo.export.onnx_file",
            suffix=".onnx",
            extra="onnx",
            packages=("tf2onnx", "onnx", "onnxruntime"),
        ),
    )
}
"""All formats by name."""


def get(name: str, *, quantize: str) -> Format:
    """Returns a format by its name.

    Raises:
        SettingsError: there is no such format, or it cannot be quantized like that.
    """
    if name not in FORMATS:
        raise SettingsError(f"Unknown format {name!r}. Expected one of: {', '.join(FORMATS)}.")
    if quantize not in QUANTIZATIONS:
        raise SettingsError(f"Unknown quantization {quantize!r}. Expected one of: {', '.join(QUANTIZATIONS)}.")
    row = FORMATS[name]
    if quantize not in row.quantizations:
        able = [other.name for other in FORMATS.values() if quantize in other.quantizations]
        raise SettingsError(f"{name} cannot be quantized to {quantize}. Formats that can: {', '.join(able)}.")
    return row
