"""The words of the pages: every language has all of them, with the same places for values."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kevo.service import jobs
from kevo.service.guard import TITLES
from kevo.service.pages import wording
from tests.support.project import ROOT
from tests.support.serving import put_search, serving

TEMPLATES = sorted((ROOT / "kevo/service/pages/templates").glob("*.html"))
WORDS = re.compile(r"""(?<![\w.])_\(\s*(?:"([^"]*)"|'([^']*)')""")
STATES = (*jobs.ALIVE, *jobs.ENDED, jobs.QUEUED, jobs.LOST)
ERRANDS = ("done",)
CHOICES = (
    "train",
    "validation",
    "test",
    "default",
    "small",
    "wide",
    "all",
    "classification",
    "regression",
    "series",
    "number",
    "category",
)
"""Words that templates take from elsewhere."""


def used() -> set[str]:
    """All words that templates show."""
    found = {first or second for path in TEMPLATES for first, second in WORDS.findall(path.read_text())}
    return {*found, *STATES, *ERRANDS, *CHOICES, *TITLES.values()}


def places(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", [one for one in wording.LANGUAGES if one != wording.DEFAULT])
def test_a_language_has_every_word(language: str) -> None:
    known = wording.words(language)
    assert used() == set(known)
    assert [words for words, other in known.items() if places(words) != places(other)] == []


def test_the_language_is_that_of_the_reader(tmp_path: Path) -> None:
    assert wording.choose(asked="es", cookie="en", accepted="en") == "es"
    assert wording.choose(asked="xx", cookie="es", accepted="en") == "es"
    assert wording.choose(asked=None, cookie=None, accepted="de, es-ES;q=0.8, en;q=0.9") == "en"
    assert wording.choose(asked=None, cookie=None, accepted="de, es-ES;q=0.8, en;q=0.3") == "es"
    assert wording.choose(asked=None, cookie=None, accepted="") == "en"
    assert wording.choose(asked=None, cookie=None, accepted="es;q=x, en;;") == "en"
    with serving(tmp_path / "root") as (server, client):
        job = put_search(server)
        page = client.get(f"/searches/{job.id}?lang=es")
        assert '<html lang="es">' in page.text and "en cola" in page.text
        assert '<html lang="es">' in client.get("/").text
        client.cookies.clear()
        assert '<html lang="es">' in client.get("/", headers={"accept-language": "es-MX"}).text
        assert client.get("/searches/0123456789abcdef?lang=es").text.count("No encontrado") == 2


def test_a_date_is_written_as_the_language_does_and_as_machines_read_it(tmp_path: Path) -> None:
    moment = datetime(2026, 9, 3, 7, 5, 9).astimezone()
    with serving(tmp_path / "root") as (server, client):
        put_search(server).created = moment.timestamp()
        for language, words in (("en", "3 Sep 2026, 07:05"), ("es", "3 sept 2026, 07:05")):
            page = client.get(f"/?lang={language}").text
            found = re.search(r'<time datetime="([^"]+)">([^<]+)</time>', page)
            assert found is not None and found[2] == words
            assert datetime.fromisoformat(found[1]).astimezone(UTC) == moment
    for language in wording.LANGUAGES:
        dates = [wording.date(datetime(2026, month, 1).timestamp(), language) for month in range(1, 13)]
        assert len(set(dates)) == 12
