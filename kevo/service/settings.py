"""What a person may set for a search from a page: an allow-list, checked by the same rules as on the command line."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kevo.scorers import SCORERS
from kevo.service.errors import FieldError
from kevo.settings import DEFAULT_MAX_TIME, MAX_FINALISTS, MAX_SEED, Settings
from kevo.tasks.registry import DEFAULT, all_kinds, asked_words, kind_of


def _whole(value: object) -> object:
    """Returns a number such as 3.0 as a whole one, as JSON schemas mean it; `false` stays what it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_READ = BeforeValidator(_whole)
Whole = Annotated[int, Field(ge=1, le=10**6, strict=True), _READ]


@functools.cache
def objectives(asks: str) -> tuple[str, ...]:
    """Returns what may be improved, by the word for what is asked; scikit-learn's scorers are among them."""
    named = (name for kind in all_kinds() if kind.asks == asks for name in kind.objectives.named)
    return tuple(dict.fromkeys((*named, *SCORERS.get(asks, ()))))


@functools.cache
def _all_objectives() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for asks in asked_words() for name in objectives(asks)))


def _known(name: str) -> str:
    if name not in _all_objectives():
        raise ValueError(f"expected one of: {', '.join(_all_objectives())}")
    return name


def _name_objectives(schema: dict[str, Any]) -> None:
    """Adds the names to a JSON schema, when one is asked for: the tasks, which have them, load NumPy."""
    schema["enum"] = list(_all_objectives())


BackboneName = Annotated[str, Field(min_length=1, max_length=100)]
_MOST_BACKBONES = 100
Objective = Annotated[str, AfterValidator(_known), Field(json_schema_extra=_name_objectives)]
Seconds = Annotated[float, Field(gt=0, le=10**9, strict=True)]


Steps = Annotated[int, Field(ge=1, le=10_000, strict=True), _READ]
_TARGET, _BACKBONES, _TASK = "settings.target", "settings.backbones", "settings.task"
SERIES = "series"
"""The task that forecasts the next values of a column, where a table has times."""
OF_SERIES = ("horizon", "window", "season")


class SearchSettings(BaseModel):
    """How to search. What is left out is as for `kevo search`; neither paths nor workers can be named."""

    model_config = ConfigDict(extra="forbid")

    max_time: Seconds | None = None
    max_trials: Whole | None = None
    patience: Whole | None = None
    max_examples: Annotated[int, Field(ge=1, le=10**9, strict=True), _READ] | None = None
    epochs: Whole | None = None
    final_epochs: Whole | None = None
    num_finalists: Annotated[int, Field(ge=1, le=MAX_FINALISTS, strict=True), _READ] | None = None
    folds: Annotated[int, Field(ge=2, le=20, strict=True), _READ] | None = None
    num_rungs: Annotated[int, Field(ge=1, le=3, strict=True), _READ] | None = None
    inherit: bool | None = None
    population: Annotated[int, Field(ge=2, le=10_000, strict=True), _READ] | None = None
    space: Literal["small", "default", "wide"] | None = None
    objective: Objective | None = None
    minimize: list[Literal["params", "seconds", "flops", "bytes"]] | None = None
    backbones: Annotated[list[BackboneName], Field(min_length=1, max_length=_MOST_BACKBONES)] | None = None
    max_params: Annotated[int, Field(ge=1, le=10**13, strict=True), _READ] | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED, strict=True), _READ] | None = None
    target: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    task: Literal["series"] | None = None
    horizon: Steps | None = None
    window: Steps | None = None
    season: Steps | None = None


class Limits(BaseModel):
    """How much longer a search goes on."""

    model_config = ConfigDict(extra="forbid")

    max_time: Seconds | None = None
    max_trials: Whole | None = None


def checked(
    settings: SearchSettings,
    *,
    max_time: float,
    targets: Mapping[str, str] | None = None,
    forecastable: Sequence[str] = (),
    task: str = "",
    backbones: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns the settings that were given, for `kevo search`.

    Args:
        settings: What was asked for.
        max_time: The most seconds that a search of this server may take.
        targets: The columns of a table that can be predicted, and the tasks that do so; `None` where it is none.
        forecastable: The columns of it whose next values can be forecast.
        task: The task that the data decide; empty where they do not.
        backbones: The pretrained networks whose weights this server has.

    Raises:
        FieldError: they ask for more time than is allowed, or for what there is not.
        SettingsError: kevo does not take them.
    """
    values = settings.model_dump(exclude_none=True)
    _check_time(values, max_time, "settings.max_time")
    if values.get("task") == SERIES:
        _check_series(values.get("target"), forecastable)
        task = SERIES
    elif (named := next((name for name in OF_SERIES if name in values), None)) is not None:
        raise FieldError(f"settings.{named}", f"`{named}` is of a series. Ask for one with `task`, or leave it out.")
    else:
        task = _task(values.get("target"), targets) or task
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    _check_backbones(plain.pop("backbones", ()), backbones, task)
    if task:
        # The task is said, whatever the file looks like: it is read as a table, and no file that stands in it.
        values["task"] = task
        plain["task"] = task
        options = {name: str(plain.pop(name)) for name in ("target", *OF_SERIES) if name in plain}
        if options:
            plain["options"] = options
    asks = kind_of(task or DEFAULT).asks
    if (objective := values.get("objective")) is not None and objective not in objectives(asks):
        raise FieldError(
            "settings.objective",
            f"Expected `objective` of a {asks} as one of: {', '.join(objectives(asks))}. Received: {objective!r}.",
        )
    Settings(**plain)
    if "max_time" not in values:
        # A search by number of candidates alone has no end that a server can promise to others.
        values["max_time"] = min(max_time, DEFAULT_MAX_TIME if "max_trials" not in values else max_time)
    return values


def _check_series(target: str | None, forecastable: Sequence[str]) -> None:
    """Raises a `FieldError` for a series where there is none, and for a column that cannot be forecast."""
    if not forecastable:
        words = "The data have no column of times on equal steps, or no numbers beside it. Leave `task` out."
        raise FieldError(_TASK, words)
    if target not in forecastable:
        raise FieldError(
            _TARGET,
            f"Which column is to be forecast? Expected `target` as one of: {', '.join(forecastable)}. Received: "
            f"{target!r}.",
        )


def _task(target: str | None, targets: Mapping[str, str] | None) -> str | None:
    """Returns the task of a search on a table; `None` where the data are none."""
    if targets is None:
        if target is not None:
            raise FieldError(_TARGET, "`target` names a column of a table. This is none: leave it out.")
        return None
    if target is None or target not in targets:
        raise FieldError(
            _TARGET,
            f"Which column is to be predicted? Expected `target` as one of: {', '.join(targets) or 'none'}. Received: "
            f"{target!r}.",
        )
    return targets[target]


def checked_limits(limits: Limits, *, max_time: float) -> dict[str, Any]:
    """Returns how much longer a search goes on, for `kevo resume`.

    Raises:
        FieldError: it asks for more time than is allowed.
    """
    values = limits.model_dump(exclude_none=True)
    _check_time(values, max_time, "max_time")
    return values


def _check_time(values: Mapping[str, Any], most: float, field: str) -> None:
    if values.get("max_time", 0.0) > most:
        words = f"`max_time` must be {most:g} seconds at most here. Received: {values['max_time']:g}."
        raise FieldError(field, words)


def _check_backbones(asked: Sequence[str], known: Sequence[str], task: str) -> None:
    """Raises a `FieldError` for pretrained networks whose weights the server has not, or that see no such data."""
    kind = kind_of(task or DEFAULT)
    fitting = {one.name for one in kind.pretrained()}
    if asked and not fitting:
        raise FieldError(_BACKBONES, "`backbones` names networks for pictures. Leave it out.")
    usable = [name for name in known if not fitting.isdisjoint(kind.absolute({name: "none"}))]
    if (unknown := next((name for name in asked if name not in usable), None)) is not None:
        name = repr(unknown[:100])
        words = (
            f"{name} is not to be had for {kind.title}."
            if unknown in known
            else f"There are no weights of {name} here."
        )
        raise FieldError(_BACKBONES, f"{words} Expected `backbones` from: {', '.join(usable) or 'none'}.")
