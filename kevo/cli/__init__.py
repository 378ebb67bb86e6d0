"""The command `kevo`: parse, call, print. Results go to stdout as JSON, everything else to stderr.

Exit codes: 0 a model was found, 1 the search failed, 2 the command was used wrongly, 130 interrupted: by
Ctrl-C, `kevo stop`, SIGTERM or SIGHUP.
"""

import click

import kevo
from kevo.cli import compare, export, look, report, search, serve, use


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kevo.__version__, prog_name="kevo")
def main() -> None:
    """Evolves the best Keras classifier for a folder of pictures or a table."""


for command in (
    search.search,
    search.resume,
    look.status,
    look.runs,
    look.stop,
    look.doctor,
    look.backbones,
    report.report,
    export.export,
    use.evaluate,
    use.predict,
    compare.compare,
    serve.serve,
):
    main.add_command(command)
