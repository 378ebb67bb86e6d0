"""Questions to a model: those that come together are asked together; a silent or too large process is ended."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from kevo.errors import ModelError
from kevo.service import predicting
from kevo.service.predicting import Models
from tests.support.project import ROOT


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose process answers with what it was asked."""
    monkeypatch.setattr(predicting, "_PROGRAM", "tests.support.echoing_model")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path = tmp_path / "best.keras"
    path.write_bytes(b"a model")
    return path


async def ask(models: Models, path: Path, *blobs: bytes, top: int | None = None) -> dict[str, Any]:
    return await models.predict(path, blobs, top=top, wait=200)


def with_models(test: Any, **options: Any) -> None:
    """Runs a test with models, which end with it."""

    async def whole() -> None:
        models = Models(**options)
        try:
            await test(models)
        finally:
            await models.close()

    asyncio.run(whole())


def test_questions_that_come_together_are_asked_together(model: Path) -> None:
    async def test(models: Models) -> None:
        many = [b"%d" % place for place in range(30)]
        asked: list[Coroutine[Any, Any, dict[str, Any]]] = [
            *(ask(models, model, b"a"), ask(models, model, *many), ask(models, model, b"b", b"skip")),
            *(ask(models, model, b"c", top=1), ask(models, model, b"d", b"e", top=1)),
        ]
        await models.opened(model, wait=200)
        first, thirty, second, third, fourth = await asyncio.gather(*asked)
        # At most 32 at a time, in the order in which they came, and those together that ask for the same.
        assert first["predictions"][0]["said"] == "a" and first["predictions"][0]["together"] == 31
        assert [one["said"] for one in thirty["predictions"]] == [blob.decode() for blob in many]
        assert [one["place"] for one in thirty["predictions"]] == list(range(30))
        (only,) = second["predictions"]
        assert (only["said"], only["place"], only["together"]) == ("b", 0, 2)
        assert second["skipped"] == [{"place": 1, "reason": "no picture"}]
        assert [one["together"] for one in [*third["predictions"], *fourth["predictions"]]] == [3, 3, 3]
        assert {one["top"] for one in [*third["predictions"], *fourth["predictions"]]} == {1}
        assert [one["place"] for one in fourth["predictions"]] == [0, 1]

    with_models(test)


def test_what_is_wrong_with_one_question_is_not_wrong_with_others(model: Path) -> None:
    async def test(models: Models) -> None:
        asked = [ask(models, model, b"a"), ask(models, model, b"bad"), ask(models, model, b"b")]
        first, bad, last = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(first, dict) and isinstance(last, dict)
        assert first["predictions"][0]["said"] == "a" and last["predictions"][0]["said"] == "b"
        assert isinstance(bad, ModelError) and str(bad) == "That is bad."

    with_models(test)


def test_who_goes_away_takes_nobody_else_s_answer(model: Path) -> None:
    async def test(models: Models) -> None:
        await models.opened(model, wait=200)
        gone = asyncio.create_task(ask(models, model, b"gone"))
        await asyncio.sleep(0)
        other = asyncio.create_task(ask(models, model, b"other"))
        await asyncio.sleep(0)
        gone.cancel()
        assert [one["said"] for one in (await other)["predictions"]] == ["other"]

    with_models(test)


@pytest.mark.long
def test_a_process_that_says_nothing_is_ended_and_begun_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicting, "_SILENCE_SECONDS", 3.0)

    async def test(models: Models) -> None:
        # All of it takes longer than silence may; each answer is a sign of life.
        (*_, before) = (await ask(models, model, *[b"slow"] * 9))["predictions"]
        for blob in (b"silent", b"broken"):
            with pytest.raises(ModelError, match="does not answer. Ask again"):
                await ask(models, model, blob)
        (after,) = (await ask(models, model, b"a"))["predictions"]
        assert after["said"] == "a" and after["process"] != before["process"]

    with_models(test)


def test_a_process_that_takes_too_much_memory_is_ended_and_begun_again(model: Path) -> None:
    async def test(models: Models) -> None:
        asked = asyncio.create_task(ask(models, model, b"large"))
        while not asked.done():
            await models.tidy()
            await asyncio.sleep(0.05)
        with pytest.raises(ModelError, match=r"more than the 314.6 MB of memory that it may have. Ask again"):
            await asked
        assert (await ask(models, model, b"a"))["predictions"][0]["said"] == "a"

    with_models(test, most_bytes=300 * 1024**2)


def test_a_model_that_is_too_large_to_be_loaded_is_told(model: Path) -> None:
    async def test(models: Models) -> None:
        asked = asyncio.create_task(models.opened(model, wait=200))
        while not asked.done():
            await models.tidy()
            await asyncio.sleep(0)
        with pytest.raises(ModelError, match="more than the"):
            await asked

    with_models(test, most_bytes=1)


def test_a_model_may_take_a_quarter_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for usable, expected in ((64, 16), (8, 2), (4, 2), (None, 2)):
        found = None if usable is None else usable * 1024**3
        monkeypatch.setattr(predicting.memory, "usable", lambda found=found: found)
        assert Models().most_bytes == expected * 1024**3
