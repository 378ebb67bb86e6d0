"""The command `kevo`: parse, call, print. Results go to stdout as JSON, everything else to stderr.

Exit codes: 0 a model was found, 1 the search failed, 2 the command was used wrongly, 130 interrupted: by
Ctrl-C, `kevo stop`, SIGTERM or SIGHUP.
"""

import importlib

import click

import kevo

_PLACES = {
    "search": "search",
    "resume": "search",
    "status": "look",
    "runs": "look",
    "stop": "look",
    "doctor": "look",
    "backbones": "look",
    "report": "report",
    "export": "export",
    "evaluate": "use",
    "predict": "use",
    "compare": "compare",
    "serve": "serve",
    "vectors": "vectors",
}
"""The module of each command."""


class Commands(click.Group):
    """Loads a command when it is asked for: a server that runs for weeks holds no more than it needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of all commands."""
        return sorted(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns a command; `None` where there is none of that name."""
        if (place := _PLACES.get(cmd_name)) is None:
            return None
        found: click.Command = getattr(importlib.import_module(f"{__name__}.{place}"), cmd_name)
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kevo.__version__, prog_name="kevo")
def main() -> None:
    """Evolves the best Keras classifier for a folder of pictures or a table."""
