"""The figures of a finished search in its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from kevo.objective import Objective
from kevo.report.plots.learning import learning_curves
from kevo.report.plots.rendering import png
from kevo.report.plots.search import fitness_by_generation, seconds_by_generation
from kevo.report.plots.task_figures import task_figure
from kevo.report.plots.tradeoffs import front_of, parameters_against_score
from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_bytes
from kevo.runs.records import TrialRecord
from kevo.tasks.pages import Drawing
from kevo.tasks.protocols.kind import AnyKind


def save_all(
    run_folder: Path,
    records: Sequence[TrialRecord],
    *,
    objective: Objective,
    winner: TrialRecord,
    kind: AnyKind,
    drawings: Sequence[Drawing],
    level: float | None = None,
) -> list[Path]:
    """Draws every figure of a finished search into the folder `plots` of its run folder.

    Args:
        run_folder: Where to write.
        records: All candidates.
        objective: What they competed for.
        winner: The best of them.
        kind: The task.
        drawings: What the task adds.
        level: As for `parameters_against_score`.

    Returns:
        The paths of the figures.

    Raises:
        RunError: the folder cannot be written.
    """
    figures = {
        "fitness": fitness_by_generation(records, objective=objective),
        "seconds": seconds_by_generation(records),
        "learning_curves": learning_curves(winner, kind=kind),
        **{drawing.name: task_figure(drawing) for drawing in drawings},
        "parameters": parameters_against_score(records, kind=kind, level=level),
    }
    return [_save(run_folder, name, figure) for name, figure in figures.items()]


def save_front(
    run_folder: Path,
    records: Sequence[TrialRecord],
    *,
    front: Sequence[TrialRecord],
    objectives: Sequence[Objective],
) -> Path:
    """Draws the front of a finished search into the folder `plots` of its run folder; arguments as for `front_of`."""
    return _save(run_folder, "front", front_of(records, front=front, objectives=objectives))


def _save(run_folder: Path, name: str, figure: Figure) -> Path:
    path = run_folder / layout.plot(name)
    atomic_write_bytes(path, png(figure))
    return path
