"""An oracle served to workers on this machine or others, in Keras Tuner's own chief and worker protocol.

Keras Tuner's chief waits for ever for a worker that died, and its client an hour for a chief that did. Here a worker
holds a lease, which every request renews. When it runs out, the worker's trial is taken back and run again. A chief
that restarts finds its workers still training: each names its trial with every request and keeps it. What a worker
measured travels once more with the end of its trial, so that no chief needs to have heard it before.

Beside the methods of Keras Tuner there is one of our own, which carries JSON and bytes: a trial's end with its message,
which Keras Tuner's messages have no room for, the lease, and whatever calls the owner of the server adds.

Requests may carry a shared secret. It keeps strangers out, but it does not hide what is said: a line that others may
listen to belongs inside a tunnel.
"""

import os
from typing import Any

import keras_tuner

from tuners.remote.client import ChiefLostError, ChiefRefusedError, Client, SearchOverError
from tuners.remote.server import Server
from tuners.remote.wire import SECRET_VARIABLE, Call, RemoteError, is_loopback, split_address

__all__ = [
    "SECRET_VARIABLE",
    "Call",
    "ChiefLostError",
    "ChiefRefusedError",
    "Client",
    "RemoteError",
    "SearchOverError",
    "Server",
    "is_loopback",
    "join",
    "serve",
    "split_address",
]

# A script's chief may first have to read its data, when its workers have begun already.
_SCRIPT_PATIENCE_SECONDS = 300.0


def serve(oracle: keras_tuner.Oracle) -> None:
    """Serves an oracle where the environment wants its chief, until the search is over."""
    with Server(oracle, address=_address(), secret=os.environ.get(SECRET_VARIABLE)) as server:
        server.wait()


def join(oracle: Any, *, tuner_id: str) -> Client:
    """Returns a worker's connection to the chief that the environment names.

    Args:
        oracle: Says what the search is for.
        tuner_id: The worker's name.
    """
    return Client(
        oracle,
        address=_address(),
        tuner_id=tuner_id,
        secret=os.environ.get(SECRET_VARIABLE),
        patience_seconds=_SCRIPT_PATIENCE_SECONDS,
    )


def _address() -> str:
    host, port = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
