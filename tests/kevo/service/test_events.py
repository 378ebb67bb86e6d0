"""Events reach whom they are for, in their order, none twice and none lost."""

import asyncio
import json
from typing import Any

import pytest

from kevo.service import events
from kevo.service.events import Event, Hub, Reader, stream
from kevo.service.tokens import User


def parsed(text: str) -> tuple[str, str, Any]:
    """The id, the kind and the data of an event."""
    fields = dict(line.split(": ", 1) for line in text.strip().splitlines() if not line.startswith(":"))
    return fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data", "null"))


def candidate(number: int, owner: str = "me", search: str = "a") -> Event:
    return Event("candidate", search, owner, {"number": number}, number)


class Story:
    """A stream whose search has had some candidates, and ends when it is told to."""

    def __init__(self, *, known: int = 0, last: int | None = None, reader: Reader | None = None) -> None:
        self.hub = Hub()
        self.reader = reader or Reader(User("me"), "a")
        self.known = known
        self.is_over = False
        self.hub.open()
        self.told = stream(
            self.hub,
            self.reader,
            snapshot=lambda: ({"known": self.known}, self.known),
            replay=lambda number: [candidate(one) for one in range(number + 1, self.known + 1)],
            last=last,
            is_over=lambda: self.is_over,
        )

    async def next(self) -> tuple[str, str, Any]:
        return parsed(await asyncio.wait_for(anext(self.told), 10))

    async def rest(self) -> list[str]:
        return [parsed(text)[1] async for text in self.told]


@pytest.mark.bar(5)
def test_a_stream_begins_with_everything_and_ends_with_bye() -> None:
    async def run() -> None:
        story = Story(known=2)
        assert parsed(await anext(story.told)) == ("", "", None)
        assert await story.next() == ("a:2:1", "snapshot", {"known": 2})
        # It is in the snapshot.
        story.hub.publish(candidate(2))
        story.hub.publish(candidate(3))
        story.hub.publish(candidate(1, owner="somebody else"))
        story.hub.publish(candidate(1, search="b"))
        assert await story.next() == ("a:3:2", "candidate", {"number": 3})
        story.is_over = True
        story.hub.publish(Event("state", "a", "me", {"state": "finished"}, 3))
        assert (await story.next())[1] == "state"
        # Whoever comes back with the last id has heard everything.
        assert await story.next() == ("a:3:4", "bye", {}) and await story.rest() == []
        assert story.hub.num_readers == 0

    asyncio.run(run())


@pytest.mark.bar(5)
def test_who_comes_back_hears_what_was_missed() -> None:
    async def run() -> None:
        story = Story(known=5, last=3)
        kinds = [await story.next() for _ in range(4)][1:]
        assert [(kind, data) for _, kind, data in kinds] == [
            ("snapshot", {"known": 5}),
            ("candidate", {"number": 4}),
            ("candidate", {"number": 5}),
        ]
        story.hub.publish(candidate(5))
        story.hub.publish(candidate(6))
        assert (await story.next())[2] == {"number": 6}

    asyncio.run(run())


@pytest.mark.bar(5)
def test_a_slow_reader_gets_a_snapshot_and_no_queue() -> None:
    async def run() -> None:
        story = Story(known=1)
        await anext(story.told)
        await story.next()
        story.known = 500
        for number in range(2, 501):
            story.hub.publish(candidate(number))
        await asyncio.sleep(0)
        assert await story.next() == ("a:500:2", "snapshot", {"known": 500})
        story.hub.publish(candidate(501))
        assert (await story.next())[2] == {"number": 501}

    asyncio.run(run())


@pytest.mark.bar(7)
def test_all_streams_end_with_the_server() -> None:
    async def run() -> None:
        story = Story(reader=Reader(User("me"), None))
        await anext(story.told)
        await story.next()
        rest = asyncio.create_task(story.rest())
        await asyncio.sleep(0)
        story.hub.close()
        assert await asyncio.wait_for(rest, 10) == ["bye"]

    asyncio.run(run())


def test_a_silent_stream_shows_that_it_is_there(monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "_PING_SECONDS", 0.01)

    async def run() -> None:
        story = Story()
        await anext(story.told)
        await story.next()
        assert (await anext(story.told)).startswith(":")
        await story.told.aclose()  # type: ignore[attr-defined]
        assert story.hub.num_readers == 0

    asyncio.run(run())
