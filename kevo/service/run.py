"""Runs a server until it is told to end."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from kevo.errors import SettingsError, os_reason
from kevo.runs.atomic_files import writing
from kevo.service.app import create_app
from kevo.service.events import Hub
from kevo.service.guard import Hosts, is_loopback
from kevo.service.root import Root
from kevo.service.server import Config, Server
from kevo.service.tokens import Gate, TokenFile

_GRACE_SECONDS = 10
_MOST_CONNECTIONS = 256


class _Uvicorn(uvicorn.Server):
    """Ends all streams before it waits for their connections."""

    def __init__(self, config: uvicorn.Config, *, hub: Hub, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._hub = hub
        self._ready = ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handles Ctrl-C and SIGTERM: the first is waited for, the second is not."""
        self._hub.close()
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells that it is ready as soon as it listens."""
        await super().startup(sockets)
        self._ready()


def serve(
    root: Path,
    config: Config,
    *,
    host: str,
    port: int,
    public_url: str | None,
    proxy: str | None,
    token: str | None,
    users: Path | None,
    ready_file: Path | None,
    certificate: tuple[Path, Path] | None,
    say: Callable[[str], object],
    open_page: Callable[[str], object] | None,
) -> None:
    """Serves until Ctrl-C or SIGTERM.

    Args:
        root: Where everything is kept.
        config: How it is to run.
        host: The address to listen at.
        port: The port; 0 takes a free one.
        public_url: The address that a proxy has for it; `None` for none.
        proxy: The address from which that proxy asks, whose `X-Forwarded-*` headers are believed; `None` for none.
        token: The owner's token; `None` makes one for this start.
        users: The file of the users and their tokens; `None` for the one in `root`.
        ready_file: Where address and token are written once it listens; `None` for nowhere.
        certificate: Files of a certificate and its key, for https; `None` for http.
        say: Prints a line.
        open_page: Opens an address in a browser; `None` opens none.

    Raises:
        KevoError: it cannot listen there, or another server is at work in the folder.
    """
    if not is_loopback(host) and token is None and users is None:
        raise SettingsError(
            f"{host} can be reached from other machines. Give a token of your own with --token-file, or a file of "
            "users with --users, or leave --host out."
        )
    if proxy is not None and public_url is None:
        raise SettingsError("--proxy needs the address that the proxy has for the server. Give --public-url too.")
    if users is not None and not TokenFile(users).rows():
        raise SettingsError(f"{users} has no users. Add one: kevo serve --users {users} token add NAME --role user.")
    # What forms bring is spooled here, and never anywhere else.
    with Root(root) as folder, _listening(host, port) as listener:
        tempfile.tempdir = str(folder.partial)
        port = listener.getsockname()[1]
        gate = Gate(users or folder.tokens, folder.sign_ins, given=token)
        server = Server(folder, gate, config)
        scheme = "http" if certificate is None else "https"
        name = f"[{host}]" if ":" in host else host
        address = public_url or f"{scheme}://{name}:{port}"
        hosts = Hosts(host, port, public_url, scheme=scheme)

        def ready() -> None:
            link = f"{address.rstrip('/')}/login?code={gate.new_code()}"
            if ready_file is not None:
                _write_secret(ready_file, {"url": address, "token": gate.token, "pid": os.getpid()})
            if config.only_predicts:
                place = ["--root", str(root)] if users is None else ["--users", str(users)]
                command = f"kevo serve {shlex.join(place)} token add NAME"
                say(f"kevo serves {', '.join(config.models)} at {address}. Programs need a token: {command}")
                return
            say(f"kevo serves at {address}. Sign in within a minute: {link}")
            if open_page is not None:
                open_page(link)

        settings = uvicorn.Config(
            create_app(server, hosts, port=port, proxy=proxy),
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            proxy_headers=False,
            ssl_certfile=None if certificate is None else certificate[0],
            ssl_keyfile=None if certificate is None else certificate[1],
        )
        running = _Uvicorn(settings, hub=server.hub, ready=ready)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # A terminal that is closed ends the server as Ctrl-C does; `nohup` says otherwise.
            signal.signal(signal.SIGHUP, running.handle_exit)
        running.run([listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where it is named does asyncio switch off that small answers wait, which costs 40 ms each.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"Cannot listen at {host}:{port}: {os_reason(error)}. Take another --port.") from error
    return listener


def _write_secret(path: Path, values: dict[str, object]) -> None:
    """Writes a file that only its owner can read, at once."""
    partial = path.with_name(f".{path.name}.partial")
    with writing(path):
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(values) + "\n")
        partial.replace(path)
