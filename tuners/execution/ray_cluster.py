"""Connects to a Ray cluster that is running: this never starts one.

Whoever reaches a cluster runs code on all of its machines. So one that other machines may reach must ask for Ray's
token, which Ray checks in each call (https://docs.ray.io/en/latest/ray-security/token-auth.html). It encrypts nothing.

Ray is imported when a cluster is asked for, and not before.
"""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

AUTO = "auto"
"""Stands for the cluster of this machine, or the one that RAY_ADDRESS names."""
_MODE, _TOKEN, _TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_CALL_SECONDS = 10.0
"""How long a cluster may take to answer at all; Ray itself would wait for minutes."""


class ClusterError(RuntimeError):
    """A cluster cannot be used; the message says what to do."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Connects this process to a cluster; a connection that is there already is used, and stays.

    Args:
        address: `auto`, or the host and port of its head.

    Raises:
        ClusterError: Ray is missing, there is no such cluster, or it may be reached by others and has no token.
    """
    if importlib.util.find_spec("ray") is None:
        raise ClusterError("A cluster needs Ray, which is not installed. Install it: pip install 'kevo-automl[ray]'")
    import ray

    if ray.is_initialized():
        yield
        return
    found = resolve(address)
    ensure_trusted(found)
    handlers = _handlers()
    try:
        ray.init(found, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        ray.shutdown()
        raise ClusterError(f"The cluster at {found} cannot be joined: {_reason(error)}") from error
    finally:
        # Ray takes over SIGTERM.
        for number, handler in handlers.items():
            signal.signal(number, handler)
    _silence()
    try:
        yield
    finally:
        ray.shutdown()


def resolve(address: str) -> str:
    """Returns the host and port of a cluster that answers.

    Raises:
        ClusterError: there is none.
    """
    found: str | None = address
    if address == AUTO:
        from ray._private.services import canonicalize_bootstrap_address

        found = canonicalize_bootstrap_address(AUTO)
        if found is None:
            raise ClusterError(
                "No Ray cluster runs on this machine, and RAY_ADDRESS names none. Start one: ray start --head; or name "
                "it as HOST:PORT."
            )
    host, port = split(str(found))
    try:
        socket.create_connection((host, port), timeout=_CALL_SECONDS).close()
    except OSError as error:
        raise ClusterError(
            f"No Ray cluster answers at {found}: {error.strerror or error}. Expected the address that `ray start "
            "--head` has printed; its port is 6379 unless another one was asked for."
        ) from error
    return str(found)


def split(address: str) -> tuple[str, int]:
    """Returns the host and the port of an address.

    Raises:
        ClusterError: it is none.

    Example:
        >>> split("head:6379"), split("[::1]:6379")
        (('head', 6379), ('::1', 6379))
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ClusterError(f"Received the cluster {address!r}. Expected auto, or the head's HOST:PORT.")
    return host.strip("[]"), int(port)


def ensure_trusted(address: str) -> None:
    """Switches Ray's token on where there is one.

    Raises:
        ClusterError: other machines may reach the cluster, and there is no token; `RAY_AUTH_MODE=disabled` in the
            environment says that this is meant.
    """
    mode = os.environ.get(_MODE)
    if mode is None and token_source() is not None:
        os.environ[_MODE] = "token"
        # It has read the variable before.
        importlib.import_module("ray._raylet").Config.initialize("")
    elif mode is None and not _is_loopback(split(address)[0]):
        raise ClusterError(
            f"Other machines may reach the cluster at {address}, and no token of Ray's is here: whoever reaches it "
            "runs code on all of its machines. Make a token with `ray get-auth-token --generate`, copy it to all "
            "machines (~/.ray/auth_token), "
            "and start all of them, and this command, with RAY_AUTH_MODE=token in the environment. In "
            "a network that nobody else can reach, set RAY_AUTH_MODE=disabled instead."
        )


def token_source() -> str | None:
    """Returns where Ray finds its token; `None` where there is none."""
    for name in (_TOKEN, _TOKEN_PATH):
        if os.environ.get(name):
            return name
    path = Path.home() / ".ray" / "auth_token"
    return str(path) if path.is_file() else None


def _is_loopback(host: str) -> bool:
    try:
        return all(ipaddress.ip_address(one[4][0]).is_loopback for one in socket.getaddrinfo(host, None))
    except (OSError, ValueError):
        return False


def _handlers() -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _silence() -> None:
    """Keeps Ray from printing what becomes of workers to standard output: the search tells it itself."""
    from ray._private.worker import global_worker

    # Its thread would look for messages without a pause if only what it listens to were closed.
    global_worker.threads_stopped.set()
    global_worker.gcs_error_subscriber.close()
