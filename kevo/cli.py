"""The command `kevo`: parse, call, print. Results go to stdout as JSON, everything else to stderr.

Exit codes: 0 a model was found, 1 the search failed, 2 the command was used wrongly, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import kevo
from kevo.distribution import STRATEGIES
from kevo.errors import KevoError, SearchFailedError, SearchInterruptedError, WorkerError
from kevo.objectives import COSTS, OBJECTIVES
from kevo.settings import MAX_SEED, Settings
from kevo.space import PRESETS

if TYPE_CHECKING:
    from kevo.reporting import Listener
    from kevo.results import SearchResult

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType[float]):
    """A length of time such as 90s, 10m or 1h30m, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads a length of time."""
        text = str(value).strip().lower()
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([hms]?)", text)
        if not parts or re.sub(r"\d+(?:\.\d+)?\s*[hms]?\s*", "", text):
            self.fail(f"{value!r} is no length of time. Expected something like 90s, 10m or 1h30m.", param, ctx)
        return sum(float(number) * _UNITS[unit] for number, unit in parts)


class WeightsPair(click.ParamType[tuple[str, str]]):
    """NAME=PATH, NAME=imagenet or NAME=none."""

    name = "name=source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Reads a pair."""
        name, equals, source = str(value).partition("=")
        if not (name and equals and source):
            self.fail(f"{value!r} names no weights. Expected NAME=PATH, NAME=imagenet or NAME=none.", param, ctx)
        return name, source


class SecretFile(click.ParamType[str]):
    """A file that holds a secret: one line."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Reads the file."""
        try:
            secret = Path(value).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            self.fail(f"{value} cannot be read: {getattr(error, 'strerror', None) or error}.", param, ctx)
        if not secret or len(secret.splitlines()) > 1:
            self.fail(f"{value} holds no secret. Expected one line of text.", param, ctx)
        return secret


_CACHE = click.option(
    "--cache",
    type=click.Path(),
    metavar="FOLDER",
    help="Where features of frozen backbones are kept for later searches; none keeps them in memory only.  "
    "[default: kevo/features in the user's cache]",
)
_LISTEN = click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Let workers from elsewhere join here: see kevo worker. Port 0 takes a free one; whatever other machines can "
    "reach needs a secret.",
)
_SECRET = click.option(
    "--secret-file",
    "secret",
    type=SecretFile(),
    help="A file with the secret that workers must show. It keeps strangers out, but does not hide what is said.  "
    "[default: KEVO_SECRET in the environment]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kevo.__version__, prog_name="kevo")
def main() -> None:
    """Evolves the best Keras image classifier for a folder of pictures."""


@main.command()
@click.argument("data", required=False)
@click.option("--max-trials", type=click.IntRange(min=1), help="Candidates to train at most.")
@click.option(
    "--max-time",
    type=Duration(),
    help="Time for the whole command, such as 90s, 10m or 1h30m, kept to within a few seconds mostly: what is held "
    "back to score and save the best model, a twentieth or five seconds, is a guess.  "
    "[default: 4m without --max-trials]",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="End the evolution when so many candidates in a row have brought nothing new.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True, help="Epochs of a candidate.")
@click.option(
    "--rungs",
    "num_rungs",
    type=click.IntRange(1, 3),
    default=1,
    show_default=True,
    help="2 pauses candidates after a third of their epochs, 3 after a ninth too; only the best of a kind go on.",
)
@click.option("--population", type=click.IntRange(min=2), default=8, show_default=True, help="Size of a generation.")
@click.option(
    "--space",
    type=click.Choice(list(PRESETS)),
    default="default",
    show_default=True,
    help="How wide to search.",
)
@click.option(
    "--weights",
    type=WeightsPair(),
    multiple=True,
    help="Pretrained weights of a backbone: NAME=PATH, NAME=imagenet (downloaded) or NAME=none. May be repeated; "
    "backbones that are not named are then left out.",
)
@click.option(
    "--objective", type=click.Choice(list(OBJECTIVES)), default="accuracy", show_default=True, help="What to improve."
)
@click.option(
    "--minimize",
    type=click.Choice(list(COSTS)),
    multiple=True,
    help="What to keep small at the same time: the result is a front of models. May be repeated.",
)
@click.option("--max-params", type=click.IntRange(min=1), help="Parameters that a model may have.")
@_CACHE
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes that train candidates side by side; 0 trains in the search's own process, or with --listen only "
    "elsewhere.  [default: 1]",
)
@_LISTEN
@_SECRET
@click.option(
    "--strategy",
    type=click.Choice(list(STRATEGIES)),
    default="auto",
    show_default=True,
    help="How candidates use several GPUs: one on each GPU, or, mirrored, each on several.",
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help="Same seed, same search.")
@click.option("--out", type=click.Path(path_type=Path), help="The run folder.  [default: kevo-runs/NAME-TIME]")
@click.option("--quiet", is_flag=True, help="Print nothing but the result.")
def search(
    data: str | None,
    weights: tuple[tuple[str, str], ...],
    out: Path | None,
    quiet: bool,
    listen: str | None,
    secret: str | None,
    **options: Any,
) -> None:
    """Searches the best classifier for DATA and saves it.

    DATA is a folder of class folders, a folder with train/ and optionally validation/ and test/, a .zip of either, a
    .csv of path,label[,split], an .npz, or one of digits, mnist, fashion_mnist, cifar10, cifar100. Without DATA:
    digits.
    """
    started = time.monotonic()
    with _user_errors():
        settings = Settings(weights=dict(weights), **options)
        with _quiet_tensorflow():
            from kevo import searching
        _announce(
            lambda listener: searching.search(
                data, settings, out=out, listener=listener, started=started, listen=listen, secret=secret
            ),
            settings,
            quiet,
        )


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@_LISTEN
@_SECRET
@click.option("--quiet", is_flag=True, help="Print nothing but the result.")
def resume(run: Path, quiet: bool, listen: str | None, secret: str | None) -> None:
    """Goes on with the interrupted search in the run folder RUN."""
    started = time.monotonic()
    with _user_errors():
        from kevo.runs import Run

        settings = Run.open(run).search_settings()
        with _quiet_tensorflow():
            from kevo import searching
        _announce(
            lambda listener: searching.resume(run, listener=listener, started=started, listen=listen, secret=secret),
            settings,
            quiet,
        )


@main.command()
@click.argument("chief", metavar="HOST:PORT")
@click.option("--data", required=True, help="The pictures of the search, as for kevo search.")
@click.option(
    "--weights",
    type=WeightsPair(),
    multiple=True,
    help="NAME=PATH: where pretrained weights are here that the search has from a file. May be repeated.",
)
@_CACHE
@_SECRET
@click.option("--quiet", is_flag=True, help="Print nothing.")
def worker(
    chief: str,
    data: str,
    weights: tuple[tuple[str, str], ...],
    cache: str | None,
    secret: str | None,
    quiet: bool,
) -> None:
    """Trains candidates for the search that listens at HOST:PORT, until it is over.

    Its pictures and pretrained weights must be here too: --data says where, and --weights NAME=PATH for those that the
    search has from a file. Several workers may run on one machine, and they may come and go while the search runs.
    """
    with _user_errors():
        with _quiet_tensorflow():
            from kevo.engine import joining
        is_over = joining.join(
            chief,
            data=data,
            requests=dict(weights),
            cache=cache,
            secret=secret,
            note=(lambda text: None) if quiet else (lambda text: click.echo(text, err=True)),
        )
    if not is_over:
        # Its memory has grown: the same command goes on in a new process.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(run: Path, as_json: bool) -> None:
    """Says how the search in the run folder RUN is doing."""
    with _user_errors():
        from kevo.status import in_words, read

        found = read(run)
        if as_json:
            click.echo(json.dumps(found.to_json(), indent=2))
            return
        for line in in_words(found):
            # A run folder may come from someone else: its words are not to move the cursor.
            click.echo("".join(letter if letter.isprintable() else "?" for letter in line))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--wait", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds until it must have ended."
)
def stop(run: Path, wait: float) -> None:
    """Ends the search in the run folder RUN as Ctrl-C does, with the best so far."""
    with _user_errors():
        from kevo import interrupts
        from kevo.runs import Run

        if not interrupts.stop(Run.open(run), wait=wait):
            raise SearchFailedError(f"The search in {run} was asked to stop, and is still at work after {wait:g} s.")
        click.echo(f"The search in {run} has ended. See: kevo status {run}")


@main.command()
def doctor() -> None:
    """Says what kevo finds on this machine: versions, devices, memory."""
    with _quiet_tensorflow():
        from kevo.doctor import findings

        found = list(findings())
    for what, value in found:
        click.echo(f"{what:<18}{value}")


@main.command()
def backbones() -> None:
    """Lists the pretrained backbones with their sizes, widths and cut points."""
    from kevo.backbones import BACKBONES

    for row in BACKBONES.values():
        widths = f"  alpha {', '.join(f'{alpha:g}' for alpha in row.alphas)}" if row.alphas else ""
        click.echo(f"{row.name}  from {row.min_size} px{widths}  cut points {', '.join(row.cut_points)}")


def _announce(run: Callable[[Listener | None], SearchResult], settings: Settings, quiet: bool) -> None:
    from rich.console import Console

    from kevo.reporting import Live

    listener = None if quiet else Live(Console(stderr=True), OBJECTIVES[settings.objective])
    try:
        result = run(listener)
    finally:
        if listener is not None:
            listener.closed()
    click.echo(json.dumps(result.to_json(), indent=2))
    if result.interrupted:
        click.echo(f"Go on with: kevo resume {result.run_folder}", err=True)
        sys.exit(_INTERRUPTED)


@contextmanager
def _user_errors() -> Iterator[None]:
    """Turns what a user can mend into one line and an exit code; a traceback is for our own mistakes."""
    try:
        yield
    except (SearchFailedError, WorkerError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(_FAILED)
    except SearchInterruptedError as error:
        click.echo(str(error), err=True)
        sys.exit(_INTERRUPTED)
    except KevoError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(_MISUSED)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(_INTERRUPTED)


@contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Keeps TensorFlow's start-up notes off the terminal: they are written by native code, below `sys.stderr`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Every candidate is another network: that TensorFlow traces anew each time is as it must be.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # What becomes of a worker the search tells itself.
    logging.getLogger("tuners").setLevel(logging.ERROR)
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
