"""The address and the secret with which workers on other machines reach a search."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Self

from kevo.errors import SettingsError, os_reason
from tuners.remote import SECRET_VARIABLE, is_loopback, split_address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, and the secret that it asks for.

    Args:
        address: Host and port; port 0 takes a free one.
        secret: What workers must show; `None` for no such thing, which only a loopback address may do without.

    Raises:
        SettingsError: the address is none, or others could reach it without a secret.

    Example:
        >>> Endpoint("127.0.0.1:8000").host, Endpoint("[::1]:8000").port
        ('127.0.0.1', 8000)
    """

    address: str
    secret: str | None = None

    def __post_init__(self) -> None:
        if not self.secret and not is_loopback(self.host):
            raise SettingsError(
                f"Received the address {self.address!r}, which other machines may reach, and no secret. Give the "
                f"search and its workers the same one, with --secret-file PATH or as {SECRET_VARIABLE} in the "
                "environment; or listen at 127.0.0.1."
            )

    @classmethod
    def at(cls, address: str, *, secret: str | None) -> Self:
        """Returns the endpoint at an address; the secret is the environment's unless there is another one."""
        return cls(address, secret or os.environ.get(SECRET_VARIABLE) or None)

    @property
    def host(self) -> str:
        """The host, as a name or a number."""
        return _parts(self.address)[0]

    @property
    def port(self) -> int:
        """The port."""
        return _parts(self.address)[1]

    def ensure_free(self) -> None:
        """Raises an error now if the address cannot be used later.

        Raises:
            SettingsError: nobody can listen here.
        """
        try:
            family, *_, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            socket.create_server(place[:2], family=family).close()
        except OSError as error:
            raise SettingsError(
                f"Cannot listen at {self.address}: {os_reason(error)}. Expected an address of this machine and a free "
                "port: choose another one, or port 0 for any, or end the process that has it."
            ) from error


def seen_from_here(address: str) -> str:
    """Returns how this machine reaches an address that may stand for all of its addresses."""
    host, port = _parts(address)
    if not _is_any(host):
        return address
    return f"127.0.0.1:{port}" if ipaddress.ip_address(host).version == 4 else f"[::1]:{port}"


def seen_from_elsewhere(address: str) -> str:
    """Returns how other machines reach it."""
    host, port = _parts(address)
    return f"{socket.gethostname()}:{port}" if _is_any(host) else address


def _parts(address: str) -> tuple[str, int]:
    try:
        return split_address(address)
    except ValueError as error:
        raise SettingsError(
            f"Received the address {address!r}. Expected a host and a port, such as 127.0.0.1:8000."
        ) from error


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
