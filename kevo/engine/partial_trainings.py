"""Trainings that are under way, kept now and then, so that one that breaks off goes on from there.

Of each there are two files: how far it is, and its model with the weights of its best epoch so far.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kevo.errors import RunError
from kevo.runs import layout
from kevo.runs.folder import Run
from tuners.genome import Genome


@dataclass(frozen=True, slots=True)
class PartialTraining:
    """How far a training was when it was kept.

    Args:
        model: Its model.
        history: The metrics of every epoch, those before a pause included.
        stages: The training stage of every epoch.
        seconds: How long it took so far.
        continues: The trial that it continues after a pause; `None` for none.
        inherits: The trial with whose weights it began; `None` for new ones.
    """

    model: Path
    history: tuple[dict[str, float], ...]
    stages: tuple[str, ...]
    seconds: float
    continues: str | None
    inherits: str | None = None


def keep(
    run: Run,
    trial_id: str,
    genome: Genome,
    *,
    save: Callable[[Path], object],
    history: Sequence[Mapping[str, float]],
    stages: Sequence[str],
    seconds: float,
    continues: str | None = None,
    inherits: str | None = None,
) -> None:
    """Keeps a copy of a training, in place of its earlier one.

    Args:
        run: The search's folder.
        trial_id: The training's name in the search.
        genome: What is trained.
        save: Writes its model.
        history: The metrics of every epoch.
        stages: The training stage of every epoch.
        seconds: How long it took so far.
        continues: The trial that it continues after a pause; `None` for none.
        inherits: The trial with whose weights it began; `None` for new ones.
    """
    with run.replacing(layout.partial_model(trial_id, len(history))) as path:
        save(path)
    # Until this is written, the model of before counts.
    known: dict[str, Any] = {"genome": dict(genome), "history": list(history), "stages": list(stages)}
    known |= {"seconds": seconds, "continues": continues, "inherits": inherits}
    run.write_json(layout.partial_training(trial_id), known)
    _remove(run, trial_id, but=len(history))


def find(run: Run, trial_id: str, genome: Genome) -> PartialTraining | None:
    """Returns the copy of a training; `None` where there is none, or it is damaged or another genome's."""
    if not (run.path / layout.partial_training(trial_id)).is_file():
        return None
    try:
        known = run.read_json(layout.partial_training(trial_id))
        history = tuple({str(name): float(value) for name, value in epoch.items()} for epoch in known["history"])
        stages, seconds = tuple(map(str, known["stages"])), float(known["seconds"])
        is_same, continues, inherits = known["genome"] == dict(genome), known["continues"], known.get("inherits")
    except (RunError, AttributeError, LookupError, TypeError, ValueError):
        return None
    model = run.path / layout.partial_model(trial_id, len(history))
    is_named = inherits is None or isinstance(inherits, str)
    is_whole = len(history) == len(stages) > 0 and seconds >= 0 and is_named and model.is_file()
    found = PartialTraining(model, history, stages, seconds, continues, inherits)
    return found if is_same and is_whole else None


def forget(run: Run, trial_id: str) -> None:
    """Removes the copy of a training that has ended."""
    (run.path / layout.partial_training(trial_id)).unlink(missing_ok=True)
    _remove(run, trial_id, but=None)


def tidy(run: Run, ended: Container[str]) -> None:
    """Removes the copies of trainings that have ended.

    Args:
        run: The search's folder.
        ended: The names of those trainings.
    """
    for path in list((run.path / layout.UNFINISHED).glob("*")):
        trial_id = path.stem.rpartition("-")[0] if path.suffix == ".keras" else path.stem
        if trial_id in ended:
            path.unlink(missing_ok=True)


def _remove(run: Run, trial_id: str, *, but: int | None) -> None:
    for path in (run.path / layout.UNFINISHED).glob(f"{trial_id}-*.keras"):
        epochs = path.stem.removeprefix(f"{trial_id}-")
        # Another trial's name may begin with the same letters.
        if epochs.isdecimal() and int(epochs) != but:
            path.unlink(missing_ok=True)
