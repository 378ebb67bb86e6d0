"""The figure of the report: costs against candidates and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.scaling.candidates import Cost
from benchmarks.scaling.first_model import FirstModel


def draw(costs: Sequence[Cost], models: Sequence[FirstModel], path: Path) -> None:
    """Draws what a candidate costs, and how long a first model and how much memory take, into a PNG file."""
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.6), layout="constrained")
    for name, values in (
        ("scheduler", [one.scheduler for one in costs]),
        ("status at work", [one.status_at_work for one in costs]),
        ("status", [one.status for one in costs]),
    ):
        axes[0].plot([one.num_candidates for one in costs], [1e3 * value for value in values], marker="o", label=name)
    axes[0].set_yscale("log")
    _name(axes[0], "candidates", "milliseconds")
    for kind in sorted({(one.size, one.num_classes) for one in models}):
        chosen = sorted(
            (one for one in models if (one.size, one.num_classes) == kind), key=lambda one: one.num_pictures
        )
        nums = [one.num_pictures for one in chosen]
        label = f"{kind[0]} px, {kind[1]:,} classes"
        axes[1].plot(nums, [one.seconds for one in chosen], marker="o", label=label)
        axes[2].plot(nums, [one.memory for one in chosen], marker="o", label=label)
    _name(axes[1], "pictures", "seconds to the first model")
    _name(axes[2], "pictures", "memory, MB")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def _name(axis: Axes, across: str, up: str) -> None:
    axis.set_xscale("log")
    axis.set_xlabel(across, fontsize=9)
    axis.set_ylabel(up, fontsize=9)
    if axis.get_yscale() == "linear":
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    if axis.lines:
        axis.legend(fontsize=8, frameon=False)
