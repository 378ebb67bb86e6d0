"""Exports models of several kinds in every format, and measures agreement with Keras, size and latency.

    python -m benchmarks.export --data ../shared/data
    python -m benchmarks.export --data ../shared/data --run kevo-runs/cats --only mobilenet_v2 --write

A conv stack is searched on `digits`; a MobileNetV2 (alpha 0.35, ImageNet weights) on cats_vs_dogs, or taken from the
run folder `--run`. VGG16 and ResNet50 have random weights and take pictures of 64 px; their heads are fitted to the
scale of their features of photographs, since otherwise all probabilities would be the same. The data below `--data` are
those of `benchmarks.first_searches`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.export.models import Model, models
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, parser
from benchmarks.support.processes import machine
from kevo.errors import ExportError
from kevo.export import export
from kevo.export.formats import FORMATS

REPORT = project.PAGES / "export.md"
PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")
HEAD = """\
| model | format | MB (Keras) | ms for one picture (Keras) | largest difference | accuracy (Keras) | pictures |
|---|---|---|---|---|---|---|"""
ABOUT = """\
# Exports beside their Keras models

Each export is loaded by the program that it is made for and compared with its Keras model: by the largest difference of
a probability on 32 test pictures (SavedModel and ONNX also on higher and on wider ones), and, where it is quantized, by
accuracy on the test split. `kevo export` refuses what differs by more than 0.001, or loses more than 0.02 of accuracy
in eight bits. Latency is the median of up to 30 runs with one picture, warm, on all cores of a machine that others may
use too: TFLite takes pictures at the network's own size, the other formats resize them."""


def rows(model: Model, folder: Path) -> Iterator[str]:
    """Exports a model in every format, and yields its rows in the table."""
    made = model.make(folder / model.name)
    kinds = [(name, "none") for name in ("keras", "savedmodel", "onnx", "tflite")]
    for format, quantize in [*kinds, *([("tflite", "int8")] if model.quantize else [])]:
        name = format if quantize == "none" else f"{format} {quantize}"
        out = folder / "exports" / model.name / f"model{FORMATS[format].suffix}"
        try:
            found = export(made, format=format, quantize=quantize, out=out, data=model.data)
        except ExportError as error:
            yield f"| {model.title} | {name} | refused: {error} | | | | |"
            continue
        accuracies = found.accuracies
        cells = (
            model.title,
            name,
            f"{found.num_bytes / 1e6:.2f} ({found.keras_num_bytes / 1e6:.2f})",
            f"{found.latency * 1e3:.2g} ({found.keras_latency * 1e3:.2g})",
            f"{found.difference:.1e}",
            "" if accuracies is None else f"{accuracies.export:.3f} ({accuracies.keras:.3f})",
            found.compared_on if accuracies is None else f"{accuracies.num_examples} test pictures",
        )
        yield f"| {' | '.join(cells)} |"


def main(given: Sequence[str] | None = None) -> None:
    """Exports every model, one after the other, and prints the table."""
    options = parser(__doc__)
    add_data_option(options)
    options.add_argument("--run", type=Path, help="run folder to use instead of a search on cats_vs_dogs")
    options.add_argument("--only", nargs="+", help="only these models: conv, mobilenet_v2, vgg16, resnet50")
    options.add_argument("--write", action="store_true", help="write the report to docs/benchmarks")
    arguments = options.parse_args(given)
    lines = [HEAD]
    print(HEAD, flush=True)
    folder = Path(tempfile.mkdtemp())
    try:
        for model in models(arguments.data, arguments.run):
            if arguments.only and model.name not in arguments.only:
                continue
            for line in rows(model, folder):
                lines.append(line)
                print(line, flush=True)
    finally:
        shutil.rmtree(folder)
    if arguments.write:
        own = "" if arguments.run is None else " --run RUN"
        command = f"    python -m benchmarks.export --data ../shared/data{own} --write"
        REPORT.write_text(
            "\n".join([ABOUT, "", command, "", f"{machine(*PACKAGES)}.", "", *lines, ""]), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
