"""`export()`: writes a model in another format, tries it, and hands it over only if it predicts the same."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kevo.errors import ExportError, KevoError, ModelError, SettingsError, describe_error
from kevo.export import checking, formats, places, sources
from kevo.export.checking import MAX_ACCURACY_LOSS, MAX_DIFFERENCE
from kevo.export.formats import Format, Job
from kevo.export.keras_file import calling
from kevo.runs import layout
from kevo.tasks.protocols.export import Accuracies, Predict
from kevo.tasks.saved_model import kind_of_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An export that has been tried.

    Args:
        path: The file, or for a SavedModel the folder.
        format: Its format.
        quantize: How its numbers are stored: `none` means floats.
        labels_path: The names of the classes, in the order of the outputs; `None` where they are unknown.
        input_shape: The shape of the inputs that it takes; `None` stands for any number.
        num_bytes: Its size.
        keras_num_bytes: The size of the `.keras` file.
        latency: Seconds for one example: the median of several, once everything is warm, on all cores of this machine.
        keras_latency: The same for the Keras model.
        compared_on: What examples both were tried on.
        difference: By how much a probability differed at most.
        accuracies: How well both do on test examples; `None` if it is not quantized.
        notes: What else a user should know.
    """

    path: Path
    format: str
    quantize: str
    labels_path: Path | None
    input_shape: tuple[int | None, ...]
    num_bytes: int
    keras_num_bytes: int
    latency: float
    keras_latency: float
    compared_on: str
    difference: float
    accuracies: Accuracies | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        values = dataclasses.asdict(self)
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def export(
    run: str | Path,
    *,
    format: str,
    out: str | Path | None = None,
    model: str = "best",
    quantize: str = "none",
    num_calibration: int = 200,
    data: str | Path | None = None,
) -> Exported:
    """Writes a model in another format, with the names of its classes in `labels.json` beside it.

    The export is loaded by the program that it is made for and compared with the Keras model on test examples, before
    it takes its place: no probability may differ by more than 0.001. If it is quantized, its accuracy on the test split
    may be lower by 0.02 instead; a higher one is welcome. What fails leaves nothing behind.

    Args:
        run: A run folder, or a `.keras` file.
        format: `keras`, `savedmodel`, `tflite` or `onnx`. All take what the Keras model takes, as float32, and return
            class probabilities. `tflite` takes one example at a time, of the network's own size.
        out: Where to write it. Defaults to a file named after the model in the folder `exports` beside it.
        model: `best` or `ensemble`, of a run folder.
        quantize: `none`, or for `tflite` `int8`: whole numbers inside.
        num_calibration: How many training examples to quantize by.
        data: Examples to compare on, as `kevo.search` takes them. Defaults to those of the search; where they are gone,
            random ones, by which nothing can be quantized.

    Raises:
        ExportError: the model cannot be converted, or the export does not predict the same.
        KevoError: what was asked for cannot be done; nothing was tried.

    Example:
        >>> exported = export("kevo-runs/pets-20260725-101500", format="onnx")  # doctest: +SKIP
        >>> exported.path, exported.num_bytes, exported.latency  # doctest: +SKIP
    """
    row = formats.get(format, quantize=quantize)
    if num_calibration < 1:
        raise SettingsError(f"`num_calibration` must be at least 1. Received: {num_calibration}.")
    source = sources.find(Path(run), model=model)
    path = places.place(source, row, quantize=quantize, out=None if out is None else Path(out))
    kind = kind_of_model(source.path)
    exportable = kind.exportable(source.path, run=source.run, data=None if data is None else str(data))
    # A model that has no other formats is refused first: nobody is to install what does not help.
    converter = row.converter()
    labels_path = places.labels_place(path, exportable.labels)
    shape = exportable.fixed_shape if row.is_fixed_size else exportable.shape
    if shape is None:
        raise ModelError(
            f"{source.path} says nowhere at what size it looks at {kind.examples}, and {row.name} needs one. Expected "
            "a fixed input, or resizing inside."
        )
    job = Job(
        source=source.path,
        exportable=exportable,
        shape=shape,
        calibration=exportable.calibration(shape, num_examples=num_calibration) if quantize == "int8" else None,
    )
    with places.beside(path) as temporary:
        try:
            converter.write(job, temporary)
            predict = converter.opened(temporary)
            exported = _tried(predict, job, row, temporary, examples=kind.examples)
        except KevoError:
            raise
        except Exception as error:
            # Converters fail in ways of their own, and so does what they have converted.
            raise ExportError(f"{source.path} cannot be written as {format}. {describe_error(error)}") from error
        places.put(temporary, path, exportable.labels)
    notes = exportable.notes
    if labels_path is None:
        notes += (
            f"Nobody says the names of the classes, so no {layout.LABELS} was written: name {kind.examples} with "
            "--data.",
        )
    return dataclasses.replace(exported, path=path, labels_path=labels_path, notes=notes)


def _tried(predict: Predict, job: Job, row: Format, path: Path, *, examples: str) -> Exported:
    """Runs an export beside its Keras model.

    Raises:
        ExportError: it does not predict the same.
    """
    exportable, reference = job.exportable, calling(job.exportable.model)
    difference = exportable.difference(predict, reference, job.shape)
    accuracies = None
    if job.calibration is None:
        # A comparison with NaN is false too.
        if not difference <= MAX_DIFFERENCE:
            raise ExportError(
                f"The {row.name} does not predict what the Keras model does: probabilities differ by up to "
                f"{difference:.2g} on {exportable.compared_on}, and may by {MAX_DIFFERENCE:g}. It was removed. Choose "
                "another format."
            )
    else:
        accuracies = exportable.accuracies(predict, reference, job.shape)
        if accuracies is not None and not accuracies.keras - accuracies.export <= MAX_ACCURACY_LOSS:
            raise ExportError(
                f"The quantized {row.name} has an accuracy of {accuracies.export:.3f} on {accuracies.num_examples} "
                f"test {examples}, the Keras model {accuracies.keras:.3f}; the loss may be {MAX_ACCURACY_LOSS:g}. It "
                f"was removed. Calibrate on more {examples}, or do not quantize."
            )
    example = exportable.example(job.shape)
    return Exported(
        path=path,
        format=row.name,
        quantize="none" if job.calibration is None else "int8",
        labels_path=None,
        input_shape=job.shape,
        num_bytes=sum(file.stat().st_size for file in places.files(path)),
        keras_num_bytes=job.source.stat().st_size,
        latency=checking.latency(predict, example),
        keras_latency=checking.latency(reference, example),
        compared_on=exportable.compared_on,
        difference=difference,
        accuracies=accuracies,
    )
