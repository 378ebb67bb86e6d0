"""How a search is to run, as plain data that goes into the run folder and back."""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kevo.errors import SettingsError
from kevo.objective import COSTS, FUNCTION, Objective, register, with_costs
from kevo.system.text import seconds_in
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.registry import AUTO, TASKS, all_kinds, asked_words, kind_of, named_by

DEFAULT_MAX_TIME = 240.0
"""How many seconds a search takes when nobody says how long it may, by time or by candidates."""

STRATEGIES: Mapping[str, str] = {
    "auto": "one candidate for each GPU, or each on several GPUs where there are fewer workers than that",
    "none": "every candidate on one device",
    "mirrored": "every candidate on several GPUs of this machine at once",
    "multiworker": "every candidate in several processes: two of this machine, or one on each machine of a cluster",
}
"""Over which devices candidates are spread, in words."""
NO_CACHE = "none"
"""Says instead of a folder that features are kept for one search only."""
MAX_SEED = 2**31 - 1
"""What every generator of random numbers takes."""
MAX_FINALISTS = 1000
"""So many candidates are trained at full length at most."""
_MAX_RUNGS = 3
_MOST = {
    "max_examples": 10**9,
    "folds": 20,
    "population": 10_000,
    "workers": 1024,
    "num_finalists": MAX_FINALISTS,
    "max_params": 10**13,
    "max_time": 10**9,
}
"""The largest values of settings: beyond them, a machine would be busy with nothing else."""
_MOST_SEEDS, _MOST_GENES = 100, 1000
_MOST_OF_ALL = 10**6
"""The largest value of all other settings but the seed."""


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _are_words(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _are_genomes(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) <= _MOST_SEEDS
        and all(isinstance(one, Mapping) and len(one) <= _MOST_GENES and _are_words([*one.keys()]) for one in value)
        and all(isinstance(gene, str) or _is_number(gene) or gene in (0, 1) for one in value for gene in one.values())
    )


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _is_map_of_words(value: object) -> bool:
    return isinstance(value, Mapping) and _are_words([*value.keys(), *value.values()])


def _plain(value: Any) -> Any:
    """Returns a path as a string and a number of NumPy's as Python's own; anything else as it is."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else value


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "int": (_is_int, "a whole number"),
    "int | None": (lambda value: value is None or _is_int(value), "a whole number or None"),
    "float | None": (lambda value: value is None or _is_number(value), "a finite number or None"),
    "str | None": (lambda value: value is None or _is_path(value), "a path or None"),
    "str": (lambda value: isinstance(value, str), "a name"),
    "Any": (lambda value: value is not None, "a preset's name or a space"),
    "Mapping[str, str]": (_is_map_of_words, "a mapping of names to strings"),
    "tuple[str, ...]": (_are_words, "a tuple of names"),
    "tuple[Mapping[str, Any], ...]": (_are_genomes, "a tuple of at most 100 genomes"),
}
"""What each annotation of the settings means: nobody else checks JSON that comes from a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a search is to run.

    Args:
        max_trials: How many candidates to train at most; `None` for no limit but the time.
        max_time: How many seconds the whole search may take, or a text such as `15m`, from reading the pictures to the
            last plot. The end keeps near it, not to the second: time is held back for scoring and saving the best
            model, as much as that is expected to take on this machine, but no more than a quarter. `None` for no limit
            but `max_trials`, or for four minutes where that is `None` too.
        patience: The evolution ends when so many candidates in a row have brought nothing new: no better one, or with
            `minimize` none that belongs to the front. The best are still trained at full length. `None` to go on.
        max_examples: How many pictures or rows of the data to use at most: a random part of each class. `None` for all,
            except where reading them would take more than a quarter of `max_time`.
        folds: For few examples: candidates are compared on all examples but those of the test split. They are divided
            into so many folds, each candidate is trained once for each of them on all others, and then on all, which
            is the model that is kept; see `kevo.tasks.folded_trainer`. That takes one training more than there are
            folds. `None` for one validation split.
        epochs: How many epochs a candidate trains at most in each of its stages.
        final_epochs: The same for the best candidates, which are trained once more at the end; `None` for twice
            `epochs`, and for up to twice as many again where time is limited and a network is trained from scratch.
        num_finalists: How many of the best candidates are trained at full length.
        num_rungs: Candidates pause after a third of their epochs, with 3 rungs after a ninth already, and only the best
            of their kind go on. 1 trains every candidate at once. Each part of a training counts for `max_trials`.
        inherit: Whether children begin with the weights of their parent, changed so that they fit, and then train for
            less long; every fourth candidate begins from scratch. Only conv stacks do. See `kevo.engine.inheritance`.
        population: How many candidates make a generation.
        task: What is learned: `classification`, `regression`, the name of one task of `kevo.tasks.registry.TASKS`, such
            as `images`, or `auto`: what the data tell of.
        options: Settings that only the task has, by name.
        space: What is searched: a preset's name (`small`, `default`, `wide`) or a space of the task's, such as
            `kevo.Space` for images.
        weights: Where the weights of each backbone come from: a path, `imagenet` or `none`. Backbones not named here
            are tried with `imagenet` when `weights` is empty, and left out otherwise.
        objective: What to improve on the validation split: `accuracy`, `macro_f1`, `loss`, `balanced_accuracy`,
            `roc_auc`, `average_precision` or `top_5` of classes; `r2`, `mae` or `rmse` of numbers; any scorer of
            scikit-learn's by its name; or a function of true answers and outputs, the greater the better, which needs
            `workers=0` (the default with one). `auto` for the first of these.
        minimize: What to keep small at the same time: some of `params`, `seconds` (of the candidate's training),
            `flops` (of one picture) and `bytes` (of the saved model). The search then looks for a front of candidates
            that no other beats in everything.
        max_params: How many parameters a candidate may have; larger ones are never trained. `None` for no limit.
        seeds: Genomes that the evolution begins with after the task's own, such as the best of an earlier search; see
            `kevo.search`. What of them is not in the space takes its default there.
        cache: The folder in which the features of frozen backbones are kept for later searches. `None` for
            `kevo/features` in the user's cache (`$XDG_CACHE_HOME`, or else `~/.cache`); `none` keeps them for this
            search only: in its run folder, or in memory without workers.
        workers: How many processes train candidates side by side; 0 trains in the search's own process, for debuggers.
            `None` for one, or for one on each GPU where there are several; on a cluster for as many as fit.
        strategy: How candidates use several GPUs: `auto`, `none` or `mirrored`; or several processes, `multiworker`;
            see `kevo.execution.devices` and `kevo.execution.multiworker.lockstep`.
        seed: Seed of the splits, the evolution and the training, from 0 to 2**31 - 1. With one worker, or none, and no
            time limit the same seed gives the same search on the same machine.

    Raises:
        SettingsError: a value is of the wrong kind or out of range, or a name is unknown.
        SpaceError: the preset is unknown.
        UnknownBackboneError: `weights` names a backbone that is not in the table.
    """

    max_trials: int | None = None
    max_time: float | None = None
    patience: int | None = None
    max_examples: int | None = None
    folds: int | None = None
    epochs: int = 20
    final_epochs: int | None = None
    num_finalists: int = 3
    num_rungs: int = 1
    inherit: bool = False
    population: int = 8
    task: str = AUTO
    options: Mapping[str, str] = field(default_factory=dict)
    space: Any = "default"
    weights: Mapping[str, str] = field(default_factory=dict)
    objective: str = AUTO
    minimize: tuple[str, ...] = ()
    max_params: int | None = None
    seeds: tuple[Mapping[str, Any], ...] = ()
    cache: str | None = None
    workers: int | None = None
    strategy: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        self._simplify()
        for item in dataclasses.fields(self):
            value, (is_one, words) = getattr(self, item.name), _KINDS[str(item.type)]
            if not is_one(value):
                raise SettingsError(f"`{item.name}` must be {words}. Received: {value!r}.")
            if isinstance(value, bool):
                continue
            if isinstance(value, int | float) and item.name not in ("seed", "workers") and not value > 0:
                raise SettingsError(f"`{item.name}` must be positive. Received: {value!r}.")
            if (
                isinstance(value, int | float)
                and item.name != "seed"
                and value > (most := _MOST.get(item.name, _MOST_OF_ALL))
            ):
                raise SettingsError(f"`{item.name}` must be {most:,} at most. Received: {value!r}.")
        if self.num_rungs > _MAX_RUNGS:
            raise SettingsError(f"`num_rungs` must be {_MAX_RUNGS} at most. Received: {self.num_rungs}.")
        if self.folds is not None:
            self._check_folds(self.folds)
        if self.inherit:
            self._check_inherit()
        if self.population < 2:
            raise SettingsError(
                f"`population` must be at least 2, so that there is a pair. Received: {self.population}."
            )
        if self.workers is not None and self.workers < 0:
            raise SettingsError(f"`workers` must be 0 or more. Received: {self.workers}.")
        if not 0 <= self.seed <= MAX_SEED:
            raise SettingsError(f"`seed` must be from 0 to {MAX_SEED}. Received: {self.seed}.")
        if self.objective.startswith(FUNCTION) and self.workers != 0:
            raise SettingsError(
                f"An objective that is a function is computed in the search's own process. Received: {self.workers} "
                "workers. Leave them out."
            )
        if self.strategy not in STRATEGIES:
            raise SettingsError(f"Unknown strategy {self.strategy!r}. Expected one of: {', '.join(STRATEGIES)}.")
        if self.strategy == "multiworker" and self.workers not in (None, 1):
            raise SettingsError(
                "With the strategy multiworker all processes train one candidate at a time. Received: "
                f"{self.workers} workers. Leave that out."
            )
        if self.task not in (tasks := (AUTO, *asked_words(), *TASKS)):
            raise SettingsError(f"Unknown task {self.task!r}. Expected one of: {', '.join(tasks)}.")
        self._check_objective()
        unknown = [cost for cost in self.minimize if cost not in COSTS]
        if unknown:
            raise SettingsError(f"`minimize` holds {unknown[0]!r}. Expected some of: {', '.join(COSTS)}.")
        known = [option.name for option in self.kind.options]
        if unknown := [name for name in self.options if name not in known]:
            having = {kind.inputs for kind in all_kinds() if unknown[0] in [option.name for option in kind.options]}
            hint = f", which --task {having.pop()} has" if len(having) == 1 else ""
            raise SettingsError(
                f"The task {self.kind.name} has no option {unknown[0]!r}{hint}. "
                f"Expected some of: {', '.join(known) or 'none'}."
            )
        self.kind.check(self)

    def _check_folds(self, folds: int) -> None:
        if folds < 2:
            raise SettingsError(
                f"`folds` must be 2 at least: to learn from some and judge by another. Received: {folds}."
            )
        if self.num_rungs > 1:
            raise SettingsError(
                f"Over folds every candidate is trained to its end. Received: {self.num_rungs} rungs. Leave them out."
            )
        if self.strategy == "multiworker":
            raise SettingsError("Over folds a candidate is trained by one process. Received the strategy multiworker.")

    def _check_inherit(self) -> None:
        if not self.kind.inherits:
            raise SettingsError(
                f"Of the task {self.kind.name} nothing is inherited: only conv stacks for pictures begin with their "
                "parent's weights. Leave `inherit` out."
            )
        for name, is_set in (
            ("num_rungs", self.num_rungs > 1),
            ("folds", self.folds is not None),
            ("strategy multiworker", self.strategy == "multiworker"),
        ):
            if is_set:
                raise SettingsError(
                    f"Children that inherit train for less long, by one process and in one go. Received `inherit` with "
                    f"`{name}`. Leave one of them out."
                )

    def _check_objective(self) -> None:
        kinds = [self.kind]
        if self.task not in TASKS:
            # Which task it is the data may still decide.
            kinds = [kind for kind in all_kinds() if self.task in (AUTO, kind.asks)]
        elif self.objective == AUTO:
            object.__setattr__(self, "objective", next(iter(self.kind.objectives)))
        names = dict.fromkeys(name for kind in kinds for name in kind.objectives.named)
        if self.objective == AUTO or self.objective in names:
            # Whether anything else is a scorer may be told only by loading scikit-learn.
            return
        if not any(self.objective in kind.objectives for kind in kinds):
            raise SettingsError(
                f"Unknown objective {self.objective!r}. Expected one of: {', '.join(names)}; or a scorer of "
                "scikit-learn's, such as f1_weighted or matthews_corrcoef."
            )

    def _simplify(self) -> None:
        """Makes plain values of what people write: `15m`, paths, NumPy's numbers, one name in place of several."""
        for item in dataclasses.fields(self):
            object.__setattr__(self, item.name, _plain(getattr(self, item.name)))
        if callable(objective := self.objective):
            object.__setattr__(self, "objective", register(objective))
            if self.workers is None:
                object.__setattr__(self, "workers", 0)
        time: Any = self.max_time
        if isinstance(time, str):
            try:
                object.__setattr__(self, "max_time", seconds_in(time))
            except ValueError as error:
                raise SettingsError(f"`max_time`: {error}") from None
        costs: Any = (self.minimize,) if isinstance(self.minimize, str) else self.minimize
        if _are_words(costs):
            # JSON has lists only, and naming a cost twice counts once.
            object.__setattr__(self, "minimize", tuple(dict.fromkeys(costs)))
        if _are_genomes(self.seeds):
            object.__setattr__(self, "seeds", tuple(map(_plain, self.seeds)))

    @property
    def kind(self) -> AnyKind:
        """The task; where nothing but the data could tell, the first of the table that it may be."""
        if self.task in TASKS:
            return kind_of(self.task)
        asks = None if self.task == AUTO else self.task
        return named_by(self.options, asks=asks, space=self.space)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objective, and then the costs that are minimized beside it."""
        return with_costs(self.kind.objectives[self.resolved_objective], self.minimize)

    @property
    def resolved_objective(self) -> str:
        """The name of the objective, also when it was left open."""
        objectives = self.kind.objectives
        # Whether anything else is a name of scikit-learn's is told only by loading that, which takes 150 MB.
        is_named = self.objective != AUTO and self.objective in objectives
        return self.objective if is_named else next(iter(objectives))

    @property
    def resolved_max_time(self) -> float | None:
        """The seconds that the search may take, also when they were left open; `None` for no limit."""
        return DEFAULT_MAX_TIME if self.max_time is None and self.max_trials is None else self.max_time

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which candidates pause, and all their epochs at the end."""
        return tuple(sorted({math.ceil(self.epochs / 3**rung) for rung in range(self.num_rungs)}))

    @property
    def resolved_final_epochs(self) -> int:
        """The epochs of the final training, also when they were left open."""
        return self.final_epochs or 2 * self.epochs

    def extended(
        self,
        *,
        max_time: float | str | None = None,
        max_trials: int | None = None,
        patience: int | None = None,
        seconds: float,
        num_trials: int,
    ) -> Self:
        """Returns the settings of a search that goes on for longer, with these limits in place of the former ones.

        Args:
            max_time: How much longer it may take, in seconds or as in `15m`; `None` for no limit.
            max_trials: How many more candidates to train at most; `None` for no limit.
            patience: As in `Settings`; candidates of before count.
            seconds: How long it has taken.
            num_trials: How many candidates it has trained.

        Raises:
            SettingsError: a limit is none.
        """
        if max_time is None and max_trials is None and patience is None:
            return self
        further = Settings(max_time=max_time, max_trials=max_trials, patience=patience)  # type: ignore[arg-type]
        if max_time is None and max_trials is None:
            return dataclasses.replace(self, patience=further.patience)
        return dataclasses.replace(
            self,
            max_time=None if further.max_time is None else seconds + further.max_time,
            max_trials=None if further.max_trials is None else num_trials + further.max_trials,
            patience=further.patience,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same settings."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        values["weights"] = dict(self.weights)
        values["minimize"] = list(self.minimize)
        values["seeds"] = list(map(dict, self.seeds))
        values["options"] = dict(self.options)
        if not isinstance(self.space, str):
            values["space"] = {key: list(genes) for key, genes in dataclasses.asdict(self.space).items()}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            SettingsError: a name or value is not one of ours.
            SpaceError: the space is not one.
        """
        try:
            space, task = values.get("space", "default"), values.get("task", AUTO)
            kind = kind_of(task) if task in TASKS else named_by(values.get("options", {}))
            return cls(**{**values, "space": space if isinstance(space, str) else kind.space(space)})
        except (AttributeError, OverflowError, TypeError) as error:
            raise SettingsError(f"These are no settings of a search: {error}.") from error
