"""The command that serves pages and the REST service, and the tokens for it."""

from __future__ import annotations

import ipaddress
import json
import re
import webbrowser
from pathlib import Path
from typing import Any

import click

from kevo.cli.console import user_errors
from kevo.cli.options import CLUSTER, Duration, SecretFile, WeightsPair
from kevo.errors import KevoError, SettingsError
from kevo.system import versions
from kevo.system.text import printable
from kevo.tasks.saved_model import model_file

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_PREFIXES = ("", "K", "M", "G", "T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


_SOURCES = ("imagenet", "none")
"""What stands for weights beside paths."""


_BUILT_IN = "digits"


class Size(click.ParamType):  # type: ignore[type-arg]  # Generic since click 8.4 only.
    """A number of bytes such as 500MB or 4GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Reads a size."""
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is no size. Expected a number such as 500MB or 4GiB.", param, ctx)
        power = _PREFIXES.index(match[2].upper())
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


class Address(click.ParamType):  # type: ignore[type-arg]  # Generic since click 8.4 only.
    """An address such as 127.0.0.1 or ::1."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Reads an address."""
        try:
            return str(ipaddress.ip_address(str(value)))
        except ValueError:
            self.fail(f"{value!r} is no address. Expected one such as 127.0.0.1 or ::1.", param, ctx)


class NamedPath(click.ParamType):  # type: ignore[type-arg]  # Generic since click 8.4 only.
    """NAME=PATH."""

    name = "name=path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        """Reads a pair."""
        if isinstance(value, tuple):
            return value
        name, equals, path = str(value).partition("=")
        if not equals or not _NAME.fullmatch(name):
            self.fail(f"{value!r} names no data. Expected NAME=PATH.", param, ctx)
        if name == _BUILT_IN:
            self.fail(
                f"{name} is there already, and means the pictures that kevo brings. Take another name.", param, ctx
            )
        if not Path(path).exists():
            self.fail(f"There is no {path}.", param, ctx)
        return name, Path(path).absolute()


class ServedModel(click.ParamType):  # type: ignore[type-arg]  # Generic since click 8.4 only.
    """[NAME=]PATH of a run folder or a model."""

    name = "model"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        """Finds the model."""
        if isinstance(value, tuple):
            return value
        name, equals, path = str(value).rpartition("=")
        try:
            found = model_file(Path(path)).absolute()
        except KevoError as error:
            self.fail(str(error), param, ctx)
        if not found.is_file():
            self.fail(f"There is no model {path}.", param, ctx)
        name = name if equals else Path(path).resolve().stem
        if not _NAME.fullmatch(name):
            self.fail(f"{name!r} is no name of a model. Give one: NAME={path}.", param, ctx)
        return name, found


@click.group(invoke_without_command=True)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default="kevo-serve",
    show_default=True,
    help="The folder of uploads and searches.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="The port; 0 takes a free one."
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    help="Searches at work at a time; others wait. They share the GPUs; without GPUs each needs a core and 4 GiB.  "
    "[default: one for each GPU, else 1]",
)
@CLUSTER
@click.option("--paused", is_flag=True, help="Begin no searches; they wait.")
@click.option(
    "--data",
    type=NamedPath(),
    multiple=True,
    help="NAME=PATH: pictures that are on the machine already. May be repeated.",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    metavar="FOLDER",
    help="Show the run folders in it that kevo search made, to the owner. May be repeated.",
)
@click.option(
    "--weights",
    type=WeightsPair(),
    multiple=True,
    help="Pretrained weights for all searches, as for kevo search: NAME=PATH, NAME=imagenet or NAME=none.",
)
@click.option("--max-upload", type=Size(), default="4GiB", show_default=True, help="The size of an upload.")
@click.option(
    "--max-storage", type=Size(), default="50GiB", show_default=True, help="The size of all uploads and searches."
)
@click.option("--max-time", type=Duration(), default="24h", show_default=True, help="The time of a search.")
@click.option(
    "--only-predict",
    "models",
    type=ServedModel(),
    multiple=True,
    metavar="RUN|FILE.keras",
    help="Serve this model and nothing else, by REST. May be repeated; NAME=RUN calls it otherwise.",
)
@click.option("--public-url", metavar="URL", help="The address that a proxy has for the server, such as https://host.")
@click.option(
    "--proxy",
    type=Address(),
    metavar="IP",
    help="The address from which that proxy asks: its X-Forwarded-For, -Proto and -Host are believed, nobody else's.",
)
@click.option(
    "--token-file",
    "token",
    type=SecretFile(),
    help="A file with the owner's token.  [default: a new one at each start]",
)
@click.option(
    "--users",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file of users and their tokens, which `token add` writes.  [default: tokens.json in --root]",
)
@click.option("--certfile", type=click.Path(path_type=Path, exists=True), help="A certificate, for https.")
@click.option("--keyfile", type=click.Path(path_type=Path, exists=True), help="Its key.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where address and token are written once it listens, for scripts.",
)
@click.option("--stop-searches", is_flag=True, help="Stop searches when the server is stopped, and wait for them.")
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@click.pass_context
def serve(
    context: click.Context,
    root: Path,
    host: str,
    port: int,
    parallel: int | None,
    cluster: str | None,
    paused: bool,
    data: tuple[tuple[str, Path], ...],
    runs: tuple[Path, ...],
    weights: tuple[tuple[str, str], ...],
    max_upload: int,
    max_storage: int,
    max_time: float,
    models: tuple[tuple[str, Path], ...],
    public_url: str | None,
    proxy: str | None,
    token: str | None,
    users: Path | None,
    certfile: Path | None,
    keyfile: Path | None,
    ready_file: Path | None,
    stop_searches: bool,
    opens: bool,
) -> None:
    """Serves pages and a REST service for searches, on this machine only unless --host says otherwise.

    Upload pictures, search, follow it, stop it, and use the model. Needs: pip install 'kevo-automl[serve]'.
    """
    context.obj = (root, users)
    if context.invoked_subcommand is not None:
        return
    with user_errors():
        if (certfile is None) != (keyfile is None):
            raise SettingsError("--certfile and --keyfile go together. Give both, or none.")
        run, Config = _service()
        given = _where(cluster, parallel)
        run.serve(
            root,
            Config(
                **given,
                is_paused=paused,
                data=dict(data),
                runs=tuple(path.absolute() for path in runs),
                weights={
                    name: source if source in _SOURCES else str(Path(source).absolute()) for name, source in weights
                },
                max_upload=max_upload,
                max_storage=max_storage,
                max_time=max_time,
                models=dict(models),
                only_predicts=bool(models),
                stops_searches=stop_searches,
            ),
            host=host,
            port=port,
            public_url=public_url,
            proxy=proxy,
            token=token,
            users=users,
            ready_file=ready_file,
            certificate=None if certfile is None or keyfile is None else (certfile, keyfile),
            say=lambda text: click.echo(printable(text), err=True),
            open_page=webbrowser.open if opens else None,
        )


@serve.group()
def token() -> None:
    """Makes, lists and removes tokens for programs."""


@token.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["user", "reader", "admin"]),
    default="user",
    show_default=True,
    help="A user has its own things, a reader sees all and changes nothing, an admin changes all.",
)
@click.pass_obj
def add_token(places: tuple[Path, Path | None], name: str, role: str) -> None:
    """Makes a token called NAME, and prints it; it cannot be read again later."""
    with user_errors():
        click.echo(_tokens(*places).add(name, role))


@token.command("list")
@click.pass_obj
def list_tokens(places: tuple[Path, Path | None]) -> None:
    """Lists tokens, one JSON object a line."""
    with user_errors():
        for row in _tokens(*places).rows():
            click.echo(json.dumps({key: row[key] for key in ("name", "role", "since")}))


@token.command("remove")
@click.argument("name")
@click.pass_obj
def remove_token(places: tuple[Path, Path | None], name: str) -> None:
    """Removes the token called NAME; it opens nothing from then on."""
    with user_errors():
        _tokens(*places).remove(name)


def _tokens(root: Path, users: Path | None) -> Any:
    from kevo.service.root import Root
    from kevo.service.tokens import TokenFile

    return TokenFile(users or Root(root).tokens)


def _where(cluster: str | None, parallel: int | None) -> dict[str, Any]:
    """Returns where searches train, and how many of them side by side, as `Config` takes it."""
    from kevo.service import cluster as clusters
    from kevo.service import devices

    if cluster is not None:
        return {"cluster": clusters.find(cluster), "parallel": parallel or 1}
    gpus = devices.find_gpus()
    if parallel is not None and not gpus and (words := devices.too_many(parallel)):
        click.echo(printable(words), err=True)
        parallel = devices.most_searches()
    return {"gpus": gpus, "parallel": parallel or devices.num_searches(gpus)}


def _service() -> tuple[Any, Any]:
    try:
        from kevo.service import run
        from kevo.service.server import Config
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"kevo serve needs {error.name}, which is not installed. Install it: {versions.how_to_install('serve')}"
        ) from error
    return run, Config
