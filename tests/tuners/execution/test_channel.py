"""Messages over a socket pair."""

import socket
from collections.abc import Iterator

import pytest

from tuners.execution.channel import Channel


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    first, second = socket.socketpair()
    with first, second:
        yield first, second


def test_messages_arrive_whole_and_in_order(sockets: tuple[socket.socket, socket.socket]) -> None:
    here, there = map(Channel, sockets)
    sent = [{"number": number, "text": "ä\n" * number} for number in range(3)]
    for message in sent:
        here.send(message)
    assert [there.receive(None) for _ in sent] == sent and there.receive() is None and not there.is_closed


def test_a_message_that_is_cut_off_is_not_waited_for(sockets: tuple[socket.socket, socket.socket]) -> None:
    here = Channel(sockets[1])
    sockets[0].sendall(b'{"number": 1}\n{"num')
    assert here.receive() == {"number": 1} and here.receive() is None
    sockets[0].sendall(b'ber": 2}\n')
    assert here.receive() == {"number": 2}
    sockets[0].sendall(b"{")
    sockets[0].close()
    assert here.receive(None) is None and here.is_closed
    with pytest.raises(OSError):
        here.send({"number": 3})


def test_who_does_not_read_holds_up_nobody(sockets: tuple[socket.socket, socket.socket]) -> None:
    here = Channel(sockets[0], patience_seconds=0.05)
    with pytest.raises(TimeoutError):
        here.send({"text": "x" * 10_000_000})
