"""The model card: the model, its scores, its data, its limits, and how to load it.

What there is to say of the data and the scores is the task's; its size, its genes and its cost stand here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_text
from kevo.runs.energy import WORLD, Energy
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.system import versions
from kevo.system.markdown import code, table
from kevo.system.text import byte_size, duration
from kevo.tasks.protocols.task import Savings

_DETAILS, _COST = "Model details", "What the search cost"
"""The task's section in which a model's size and genes stand."""


def write(
    run: Run,
    dataset: Any,
    result: Outcome,
    *,
    flops: float | None = None,
    energy: Energy | None = None,
    savings: Savings | None = None,
) -> None:
    """Writes the card of the best model into the run folder.

    Args:
        run: The run folder.
        dataset: The data.
        result: What the search found.
        flops: What a prediction costs, in floating-point operations; `None` if nobody knows.
        energy: What the search took, if that was measured.
        savings: What it saved by computing things once, if that could be estimated.

    Raises:
        RunError: the folder cannot be written.
    """
    text = card(run, dataset, result, flops=flops, energy=energy, savings=savings)
    atomic_write_text(run.path / layout.MODEL_CARD, text)


def card(
    run: Run,
    dataset: Any,
    result: Outcome,
    *,
    flops: float | None = None,
    energy: Energy | None = None,
    savings: Savings | None = None,
) -> str:
    """Returns the card in Markdown; see `write`. Names that come from anywhere mean nothing in it."""
    sections = dict(result.kind.pages().card(run, dataset, result))
    sections[_DETAILS] = [*_size(run, result, flops), *sections[_DETAILS], *_making(result)]
    sections[_COST] = list(_cost(result, energy, savings, reservations=sections[_COST]))
    parts = []
    for level, (title, lines) in enumerate(sections.items()):
        parts += [f"{'#' if level == 0 else '##'} {title}", *lines]
    return "\n\n".join([*parts, layout.CARD_END]) + "\n"


def _size(run: Run, result: Outcome, flops: float | None) -> Iterator[str]:
    yield f"- In words: {code(result.words)}"
    size = f"{result.num_parameters:,} parameters, {byte_size((run.path / result.model_path.name).stat().st_size)}"
    if flops is not None:
        size += f", {flops:,.0f} floating-point operations for each of the {result.kind.examples}"
    yield f"- Size: {size}"


def _making(result: Outcome) -> Iterator[str]:
    yield f"- Made with {', '.join(map(' '.join, versions.installed().items()))}"
    genome = {str(gene): str(value) for gene, value in result.genome.items()}
    yield f"The genes:\n\n{table(['gene', 'value'], ([code(gene), code(value)] for gene, value in genome.items()))}"


def _cost(
    result: Outcome, energy: Energy | None, savings: Savings | None, *, reservations: Sequence[str]
) -> Iterator[str]:
    trained = f"{result.trials_completed} candidates, and {result.trials_failed} that failed."
    yield " ".join([f"{duration(result.seconds)} for {trained}", *reservations])
    if energy is not None:
        yield _energy(result, energy)
    if savings is None:
        return
    if not savings.saved_seconds:
        yield savings.nothing
        return
    power = ""
    if energy is not None and energy.seconds:
        # Trainings side by side share the machine.
        num_parallel = max(1.0, savings.candidate_seconds / result.seconds)
        factor = 1 + savings.saved_seconds / num_parallel / energy.seconds
        power = (
            f". The search would have taken {energy.kwh * factor:.3g} kWh and {energy.kg_co2e * factor:.3g} kg of "
            "CO2-equivalent, if the power had been the same"
        )
    yield (
        f"The same candidates without {savings.means} would have trained for at least "
        f"{duration(savings.candidate_seconds + savings.saved_seconds)} instead of "
        f"{duration(savings.candidate_seconds)}, {savings.factor:.1f} times as long{power}. {savings.basis}"
    )


def _energy(result: Outcome, energy: Energy) -> str:
    where = "the world's average" if energy.country == WORLD else f"the electricity of {code(energy.country)}"
    share = energy.seconds / result.seconds if result.seconds else 1.0
    part = f" (measured for {duration(energy.seconds)} of them)" if abs(share - 1) > 0.1 else ""
    how = (
        f"The processor's power was measured by {code(energy.meter)}"
        if energy.meter is not None
        else "Nothing on this machine tells the processor's power: it is an estimate from its load and its rated "
        "power, and may be wrong by a multiple"
    )
    gpus = f", that of the GPUs ({code(energy.gpus)}) by their driver" if energy.gpus else ""
    return (
        f"Energy: {energy.kwh:.3g} kWh, {energy.kg_co2e:.3g} kg of CO2-equivalent with {where}{part}, for the whole "
        f"machine ({code(energy.processor)}), by CodeCarbon {code(energy.codecarbon)}. {how}{gpus}; memory counts by "
        "its size."
    )
