"""The Ray cluster on which searches train. A process of its own looks at it: nothing here loads Ray."""

from __future__ import annotations

import subprocess
import sys

from kevo.errors import SettingsError

_SECONDS = 180.0


def find(address: str) -> str:
    """Returns the host and port of the head of a cluster that can be used.

    Args:
        address: `auto` or HOST:PORT, as for `kevo search --cluster`.

    Raises:
        SettingsError: there is none, or it asks for no token; in the words of `kevo search`.
    """
    command = [sys.executable, "-m", "kevo", "doctor", "--cluster", address]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"The cluster {address} has not answered for {_SECONDS:g} seconds.") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise SettingsError(said[-1].removeprefix("Error: ") if said else f"The cluster {address} cannot be used.")
    # The first line: cluster           HOST:PORT, Ray VERSION
    return done.stdout.split(maxsplit=2)[1].removesuffix(",")


def joining(address: str) -> str:
    """Returns the command with which one more machine joins a cluster."""
    return f"ray start --address={address}"
