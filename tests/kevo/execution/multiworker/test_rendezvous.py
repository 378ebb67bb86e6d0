"""How processes that train together find each other."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from kevo.errors import SettingsError
from kevo.execution.devices import Cluster
from kevo.execution.multiworker import rendezvous
from kevo.execution.multiworker.rendezvous import Line, MissingError, answered, called

TERMS = {"pictures": "these", "versions": "1"}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def answering(pool: ThreadPoolExecutor, terms: dict[str, str], *, seconds: float = 20.0) -> tuple[str, Future]:
    """Begins to wait for a call, and returns where, and what comes of it."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"127.0.0.1:{door.getsockname()[1]}"
    return address, pool.submit(answered, Cluster(("127.0.0.1:1", address), 1), terms, patience_seconds=seconds)


def connected(address: str) -> socket.socket:
    until = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(tuple(address.split(":")), timeout=20)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_those_with_the_same_terms_meet(pool: ThreadPoolExecutor) -> None:
    address, answer = answering(pool, TERMS)
    line = called(address, TERMS, until=time.monotonic() + 20)
    line.say({"form": True}, b"payload")
    other = answer.result(20)
    assert other is not None
    line.say({"go": 1}, b"on")
    message, payload = other.hear()
    assert message["go"] == 1 and payload == b"on"
    for one in (line, other):
        one.close()


def test_both_are_told_of_other_terms(pool: ThreadPoolExecutor) -> None:
    address, answer = answering(pool, {**TERMS, "pictures": "others"})
    with pytest.raises(MissingError, match="its pictures are not those of process 0"):
        called(address, TERMS, until=time.monotonic() + 20)
    with pytest.raises(SettingsError, match="cannot train along: its pictures are not those of process 0"):
        answer.result(20)


def hello(size: object) -> bytes:
    return json.dumps({"hello": TERMS, "size": size}).encode() + b"\n"


@pytest.mark.parametrize(
    "spoken", [b"", b"PRI * HTTP/2.0\r\n\r\n", b"[]\n", hello(-1), hello("0"), hello(10**18), hello(1), hello(0)]
)
def test_a_stranger_holds_nobody_up(spoken: bytes, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "_ANSWER_SECONDS", 0.5)
    # The last one knows what to say, and then is gone without a word.
    address, answer = answering(pool, TERMS, seconds=2.0)
    with connected(address) as stranger:
        stranger.sendall(spoken)
        assert answer.result(20) is None


def test_nobody_calls(pool: ThreadPoolExecutor) -> None:
    _, answer = answering(pool, TERMS, seconds=0.2)
    with pytest.raises(MissingError, match="No search has called"):
        answer.result(20)


@pytest.mark.parametrize("end", [lambda line: line.close(), lambda line: line._file.write(b'{"size": 9}\n12345')])
def test_a_message_that_breaks_off_is_an_error(end: Callable[[Line], object]) -> None:
    ours, theirs = socket.socketpair()
    hearing, speaking = Line(ours), Line(theirs)
    failed = threading.Event()

    def listen() -> None:
        try:
            hearing.hear()
        except OSError:
            failed.set()

    thread = threading.Thread(target=listen)
    thread.start()
    end(speaking)
    speaking.close()
    thread.join(20)
    assert failed.is_set()
    hearing.close()
