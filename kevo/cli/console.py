"""What a person sees of a command that goes wrong, and what not of one that goes well."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from kevo.errors import KevoError, SearchFailedError, SearchInterruptedError, WorkerError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns what a user can mend into one line and an exit code; a traceback is for our own mistakes."""
    try:
        yield
    except (SearchFailedError, WorkerError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(FAILED)
    except SearchInterruptedError as error:
        click.echo(str(error), err=True)
        sys.exit(INTERRUPTED)
    except KevoError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(MISUSED)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
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
