"""The protocol between a chief and its workers: addresses, metadata, and the packing of calls."""

import ipaddress
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

# The environment variable that holds the secret where Keras Tuner's own ones say who is chief and who is a worker.
SECRET_VARIABLE = "KEVO_SECRET"

# A call of the owner's: (tuner id, JSON values, payload) -> (JSON values, payload).
Call = Callable[[str, dict[str, Any], bytes], tuple[dict[str, Any], bytes]]

SERVICE = "tuners.Remote"
CALL = f"/{SERVICE}/Call"
# What a request says beside its content.
SECRET, TUNER, TRIAL = "secret-bin", "tuner-bin", "trial-bin"
# The calls that are not the owner's.
RENEW, END = "renew", "end_trial"

# Payloads of 4 MiB, and their headers.
SIZES = [("grpc.max_send_message_length", 5 << 20), ("grpc.max_receive_message_length", 5 << 20)]


class RemoteError(RuntimeError):
    """The chief met an error while it answered; its words."""


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of an address; the host of an IPv6 address without its brackets.

    Raises:
        ValueError: It is none.

    Example:
        >>> split_address("127.0.0.1:8000"), split_address("[::1]:8000")
        (('127.0.0.1', 8000), ('::1', 8000))
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"Got the address {address!r}, expected a host and a port, such as 127.0.0.1:8000.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches a host; of names only `localhost` is sure to be its own.

    Example:
        >>> is_loopback("127.3.2.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("localhost.example")
        (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def pack(values: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """Makes one message of JSON values and bytes."""
    header = json.dumps(values).encode()
    return struct.pack(">I", len(header)) + header + payload


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Unpacks a message of `pack`."""
    (size,) = struct.unpack_from(">I", message)
    return json.loads(message[4 : 4 + size]), message[4 + size :]


def opened(answer: bytes) -> tuple[dict[str, Any], bytes]:
    """Returns the answer of a chief to a call.

    Raises:
        RemoteError: It met an error.
    """
    header, payload = unpack(answer)
    if "error" in header:
        raise RemoteError(f"The chief met an error: {header['error']}")
    return header["values"], payload


def describe_error(error: Exception) -> str:
    """Returns an error as it travels."""
    return f"{type(error).__name__}: {error}"
