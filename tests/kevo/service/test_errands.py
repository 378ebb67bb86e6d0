"""Work that takes a while and is no search."""

import asyncio
from pathlib import Path

from kevo.service.errands import Errands


def test_an_errand_whose_search_is_gone_fails_with_a_reason(tmp_path: Path) -> None:
    async def run() -> tuple[str, str]:
        errands = Errands()
        errand = errands.begin(("report", "a"), ["--version"], folder=tmp_path / "gone")
        while errand.is_under_way:
            await asyncio.sleep(0.01)
        return errand.state, errand.words

    state, words = asyncio.run(run())
    assert state == "failed" and words.startswith("It cannot be begun: ")
