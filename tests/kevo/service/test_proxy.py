"""A proxy is believed, and nobody else."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kevo.service.app import create_app
from kevo.service.guard import Hosts
from kevo.service.root import Root
from kevo.service.server import Config, Server
from kevo.service.tokens import Gate
from tests.support.project import ROOT
from tests.support.serving import ADDRESS, PORT, TOKEN

PUBLIC = "https://kevo.example"
PROXY = "10.0.0.2"
FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "kevo.example"}


@contextmanager
def serving_behind(folder: Path, client: str, *, public: str | None = PUBLIC) -> Iterator[TestClient]:
    """A server that believes a proxy, as somebody with an address asks it."""
    with Root(folder) as root:
        server = Server(root, Gate(root.tokens, root.sign_ins, given=TOKEN), Config(is_paused=True))
        app = create_app(server, Hosts("127.0.0.1", PORT, public), port=PORT, proxy=PROXY)
        with TestClient(app, ADDRESS, client=(client, 50_000), follow_redirects=False) as asking:
            yield asking


def wrong(client: TestClient, forwarded_for: str) -> int:
    headers = {"authorization": "Bearer wrong", "x-forwarded-for": forwarded_for}
    return client.get("/api/v1/searches", headers=headers).status_code


@pytest.mark.bar(1)
@pytest.mark.parametrize("proxy", [PROXY, f"::ffff:{PROXY}"])
def test_a_proxy_says_who_asks(tmp_path: Path, proxy: str) -> None:
    with serving_behind(tmp_path / "root", proxy) as client:
        assert [wrong(client, "192.0.2.1") for _ in range(11)] == [401] * 10 + [429]
        # Only what the proxy itself has added counts, and others are not kept waiting.
        assert wrong(client, "192.0.2.7, 192.0.2.1") == 429
        assert wrong(client, "192.0.2.1, 192.0.2.7") == 401
        # What is no address is the proxy's own.
        assert wrong(client, "192.0.2.1, unknown") == 401


@pytest.mark.bar(1)
def test_a_stranger_s_headers_change_nothing(tmp_path: Path) -> None:
    with serving_behind(tmp_path / "root", "192.0.2.1") as client:
        assert [wrong(client, f"192.0.2.{number}") for number in range(11)] == [401] * 10 + [429]
        host = {"host": "evil.example", "x-forwarded-host": "kevo.example"}
        assert client.get("/api/v1/health", headers=host).status_code == 421
        assert client.get("/api/v1/health", headers=FORWARDED).status_code == 200
        page = client.get("/api", headers={"authorization": f"Bearer {TOKEN}", **FORWARDED}).text
        assert ADDRESS in page and "kevo.example" not in page


@pytest.mark.bar(1)
def test_a_proxy_says_by_which_name_and_scheme(tmp_path: Path) -> None:
    with serving_behind(tmp_path / "root", PROXY) as client:
        page = client.get("/api", headers={"authorization": f"Bearer {TOKEN}", **FORWARDED}).text
        assert PUBLIC in page and ADDRESS not in page
        # It is still one of the server's own names.
        assert client.get("/api/v1/health", headers={"x-forwarded-host": "evil.example"}).status_code == 421


@pytest.mark.bar(1)
@pytest.mark.parametrize(("client", "is_secure"), [(PROXY, True), ("192.0.2.1", False)])
def test_a_cookie_is_secure_where_the_proxy_speaks_https(tmp_path: Path, client: str, is_secure: bool) -> None:
    with serving_behind(tmp_path / "root", client, public="http://127.0.0.1:80") as asking:
        headers = {"origin": ADDRESS, "x-forwarded-proto": "https"}
        answer = asking.post("/login", data={"token": TOKEN}, headers=headers)
        assert answer.status_code == 303 and ("Secure" in answer.headers["set-cookie"]) is is_secure


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--proxy", "10.0.0.2"], "Give --public-url too."), (["--proxy", "nginx"], "'nginx' is no address.")],
)
def test_a_proxy_needs_an_address_and_a_name(tmp_path: Path, options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "kevo", "serve", "--root", str(tmp_path / "root"), "--port", "0", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
