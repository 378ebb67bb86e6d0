"""The command that makes word vectors of a sentence transformer."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kevo.cli.console import format_json, user_errors
from kevo.errors import DataError
from kevo.system.quiet import quiet_tensorflow
from kevo.system.text import printable


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--words",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="TEXTS",
    help="A file of texts whose words get vectors too, beside those of the model's vocabulary. May be given again.",
)
def vectors(model: Path, file: Path, words: tuple[Path, ...]) -> None:
    """Writes FILE with the word vectors of the sentence transformer in the folder MODEL, for kevo search --vectors.

    MODEL is a BERT with model.safetensors, tokenizer.json and config.json, such as all-MiniLM-L6-v2. Each word goes
    through it once, which takes a minute or some. Needs: pip install 'kevo-automl[vectors]'.
    """
    with user_errors():
        with quiet_tensorflow():
            from kevo.tasks.public import distill_vectors

            texts = list(map(_read, words))
            num = distill_vectors(model, file, words=texts, progress=_tell)
        click.echo(format_json({"file": str(file.resolve()), "num_words": num}))


def _read(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise DataError(f"{printable(str(path))} is no file. Expected a file of texts.")
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(
            f"{printable(str(path))} cannot be read: {error.strerror}. Expected a file of texts."
        ) from error


def _tell(num_done: int, total: int) -> None:
    """Says on a terminal how far it is."""
    if sys.stderr.isatty():
        click.echo(f"\r{num_done:,} of {total:,} words", err=True, nl=num_done == total)
