"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kevo.errors import os_reason
from kevo.runs import layout
from kevo.system.text import seconds_in


class Duration(click.ParamType):  # type: ignore[type-arg]  # Generic since click 8.4 only.
    """A length of time such as 90s, 10m or 1h30m, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads a length of time."""
        try:
            return seconds_in(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class WeightsPair(click.ParamType):  # type: ignore[type-arg]  # Generic since click 8.4 only.
    """NAME=PATH, NAME=imagenet or NAME=none."""

    name = "name=source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Reads a pair."""
        name, equals, source = str(value).partition("=")
        if not (name and equals and source):
            self.fail(f"{value!r} names no weights. Expected NAME=PATH, NAME=imagenet or NAME=none.", param, ctx)
        return name, source


class SecretFile(click.ParamType):  # type: ignore[type-arg]  # Generic since click 8.4 only.
    """A file that holds a secret: one line."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Reads the file."""
        if not Path(value).is_file():
            self.fail(f"{value} is no file.", param, ctx)
        try:
            secret = Path(value).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            self.fail(f"{value} cannot be read: {os_reason(error)}.", param, ctx)
        if not secret or len(secret.splitlines()) > 1:
            self.fail(f"{value} holds no secret. Expected one line of text.", param, ctx)
        return secret


CACHE = click.option(
    "--cache",
    type=click.Path(),
    metavar="FOLDER",
    help="Where features of frozen backbones are kept for later searches; none keeps them for this search only.  "
    "[default: kevo/features in the user's cache]",
)
CLUSTER = click.option(
    "--cluster",
    metavar="auto|HOST:PORT",
    help="Train on a Ray cluster that is running: auto for that of this machine or of RAY_ADDRESS, or the address of "
    "its head. Needs the extra ray.",
)
CPUS = click.option(
    "--cpus-per-trial",
    type=click.FloatRange(min=0, min_open=True),
    help="Cores of the cluster for each trial.  [default: 1]",
)
GPUS = click.option(
    "--gpus-per-trial",
    type=click.FloatRange(min=0),
    help="GPUs of the cluster for each trial: 0, a part of one, or several.  [default: 1 where there are any]",
)
JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as one JSON object on a terminal too, as it is printed elsewhere.",
)
TENSORBOARD = click.option(
    "--tensorboard",
    is_flag=True,
    help=f"Write every candidate for TensorBoard too: tensorboard --logdir RUN/{layout.TENSORBOARD}.",
)
MLFLOW = click.option(
    "--mlflow",
    metavar="URI",
    help="Log every candidate to an MLflow server too, such as http://127.0.0.1:5000, and register the best model.",
)
OPTUNA = click.option(
    "--optuna",
    metavar="URL",
    help="Write every candidate into a storage of Optuna too, such as sqlite:///runs.db, for optuna-dashboard.",
)
ENERGY = click.option(
    "--energy",
    metavar="[COUNTRY]",
    is_flag=False,
    flag_value="",
    help="Measure the electricity that the search takes, with CodeCarbon, offline. COUNTRY says whose it is, such as "
    "DEU; name the pictures before it.  [default: CODECARBON_COUNTRY_ISO_CODE in the environment, or else world]",
)
