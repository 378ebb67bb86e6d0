"""Rows of the table of tasks whose examples are prepared once; loads neither TensorFlow nor Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from kevo.errors import SettingsError
from kevo.tasks.outputs.asked import Asked
from kevo.tasks.pages import Drawing
from kevo.tasks.protocols.kind import Pretrained
from kevo.tasks.protocols.scores import Scores
from kevo.tasks.protocols.task import SearchSettings
from tuners.genome import Genome
from tuners.settings import Settings as EvolutionSettings


class PreparedKind:
    """What such rows have in common: networks from scratch, whose genes are plain values.

    Args:
        asked: What is asked of an example.
        name: The name of the task.
        spaces: The module of its search spaces, with `PRESETS`, `from_json`, `describe` and `check_genome`; and with
            `BREEDING` where a preset says how candidates are bred.
    """

    example: str
    examples: str
    rung_genes: tuple[str, ...] = ()
    are_small = False
    inherits = False

    def __init__(self, asked: Asked, *, name: str, spaces: ModuleType) -> None:
        self._asked = asked
        self._spaces = spaces
        self.name = name
        self.asks = asked.word
        self.presets = tuple(spaces.PRESETS)
        self.space_name = f"{spaces.__name__}.Space"
        self.objectives = asked.objectives
        self.compared_scores: tuple[tuple[str, str], ...] = asked.compared_scores
        self.curves = asked.curves

    def space(self, value: str | Mapping[str, Any] | object) -> Any:
        """Returns a preset by its name, the space of JSON values, or the space itself."""
        return self._spaces.from_json(value)

    def breeding(self, settings: SearchSettings) -> EvolutionSettings | None:
        """Returns what the preset says of it; `None` for a space of the user's own."""
        found: Mapping[str, EvolutionSettings] = getattr(self._spaces, "BREEDING", {})
        return found.get(settings.space) if isinstance(settings.space, str) else None

    def varied(self, settings: SearchSettings) -> dict[str, tuple[Any, ...]]:
        """Returns the values of each field of the space."""
        found = self._spaces.from_json(settings.space)
        return {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}

    def check(self, settings: SearchSettings) -> None:
        """Raises a `KevoError` for an unknown preset, or for weights of backbones: there are none."""
        self._spaces.from_json(settings.space)
        if settings.weights:
            raise SettingsError(
                f"Networks for {self.examples} have no backbones. Received `weights` for "
                f"{', '.join(settings.weights)}. Leave them out."
            )

    def absolute(self, weights: Mapping[str, str]) -> dict[str, str]:
        """Returns the weights as they are: there are none."""
        return dict(weights)

    def foreign(self, settings: SearchSettings) -> Sequence[str]:
        """Nothing."""
        return ()

    def drawings(self, test: Any) -> Sequence[Drawing]:
        """The figures of what is asked."""
        return self._asked.drawings(test, self.examples)

    def pretrained(self) -> Iterator[Pretrained]:
        """Yields nothing: networks are trained from scratch."""
        yield from ()

    def findings(self) -> Iterator[tuple[str, str]]:
        """Yields nothing: searches leave nothing behind but their run folders."""
        yield from ()

    def describe(self, genome: Genome) -> str:
        """Returns a genome in words."""
        return str(self._spaces.describe(genome))

    def check_genome(self, genome: Genome) -> None:
        """Raises an error where it is no genome of the task's."""
        self._spaces.check_genome(genome)

    def can_inherit(self, parent: Genome, child: Genome) -> bool:
        """No: such networks train in seconds."""
        return False

    def extractor_key(self, genome: Genome) -> Hashable | None:
        """Returns `None`: no network has a frozen part."""
        return None

    def parse_scores(self, values: Mapping[str, Any]) -> Scores:
        """Reads the scores of what is asked."""
        return self._asked.parse_scores(values)
