"""Nothing passes that comes to another name, from somebody unknown, or from another page."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from kevo.service.guard import POLICY, Guard, Hosts, is_loopback
from kevo.service.tokens import Gate
from tests.support.serving import ADDRESS, PORT, TOKEN, serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(tmp_path_factory.mktemp("serve") / "root") as (_, client):
        yield client


def signed_in(client: TestClient) -> str:
    answer = client.post("/login", data={"token": TOKEN}, headers={"origin": ADDRESS}, follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and cookie.startswith(f"kevo-{PORT}=")
    client.cookies.clear()
    return cookie.partition(";")[0]


@pytest.mark.bar(1)
def test_a_token_is_always_asked_for(client: TestClient) -> None:
    for path in ("/api/v1/searches", "/api/v1/openapi.json", "/api/v1/events", "/v2/models", "/api/v1/nowhere"):
        answer = client.get(path, headers={"authorization": ""})
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.json()["status"] == 401
    page = client.get("/", headers={"authorization": ""}, follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert client.get("/api/v1/health", headers={"authorization": ""}).json()["ok"] is True
    assert client.get("/static/style.css", headers={"authorization": ""}).status_code == 200
    assert client.get("/", headers={"authorization": f"Bearer {TOKEN}x"}, follow_redirects=False).status_code == 303
    assert client.get("/api/v1/searches", headers={"authorization": f"Basic {TOKEN}"}).status_code == 401


@pytest.mark.bar(1)
@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", "", "[::1]:99"])
def test_another_host_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/api/v1/health", "/login", "/static/style.css"):
        assert client.get(path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", [f"localhost:{PORT}", f"127.0.0.1:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_its_own_names_are_known(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/health", headers={"host": host}).status_code == 200


def test_a_proxy_s_name_is_known() -> None:
    hosts = Hosts("0.0.0.0", 8000, "https://kevo.example")
    assert hosts.knows("kevo.example") and hosts.knows("10.0.0.7:8000") and not hosts.knows("evil.example:8000")
    assert hosts.is_own("https://kevo.example", "kevo.example")
    assert not hosts.is_own("http://kevo.example", "kevo.example")
    assert not Hosts("127.0.0.1", 8000).knows("10.0.0.7:8000")
    assert not Hosts("127.0.0.1", 443, scheme="https").is_own("http://localhost", "localhost")
    assert Hosts("127.0.0.1", 443, scheme="https").is_own("https://localhost", "localhost")
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("kevo.example")


@pytest.mark.bar(1)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-site", "origin": ADDRESS},
    ],
)
def test_other_pages_cannot_use_the_cookie(client: TestClient, headers: dict[str, str]) -> None:
    given = {"authorization": "", "cookie": signed_in(client), **headers}
    assert client.get("/api/v1/searches", headers=given).status_code == 200
    for method, path in (
        ("POST", "/api/v1/searches"),
        ("POST", "/logout"),
        ("PUT", "/api/v1/data/a.zip"),
        ("POST", "/"),
    ):
        assert client.request(method, path, headers=given).status_code == 403
    assert client.delete("/api/v1/searches/0123456789abcdef", headers=given).status_code == 403


def test_who_is_unknown_is_told_so_first(client: TestClient) -> None:
    for headers in ({"authorization": ""}, {"authorization": "", "cookie": f"kevo-{PORT}=wrong"}):
        assert client.post("/api/v1/searches", headers=headers).status_code == 401
    assert client.post("/login", data={"token": TOKEN}, headers={"authorization": ""}).status_code == 403


@pytest.mark.bar(1)
@pytest.mark.parametrize("headers", [{"origin": ADDRESS}, {"sec-fetch-site": "same-origin"}])
def test_its_own_pages_can(client: TestClient, headers: dict[str, str]) -> None:
    given = {"authorization": "", "cookie": signed_in(client), **headers}
    assert client.delete("/api/v1/searches/0123456789abcdef", headers=given).status_code == 404


def test_who_signs_out_is_out(client: TestClient) -> None:
    cookie = signed_in(client)
    given = {"authorization": "", "cookie": cookie, "origin": ADDRESS}
    assert client.post("/logout", headers=given, follow_redirects=False).status_code == 303
    assert client.get("/api/v1/searches", headers=given).status_code == 401


@pytest.mark.bar(1)
def test_every_answer_says_what_a_page_may_do(client: TestClient) -> None:
    for path in ("/", "/login", "/api/v1/searches", "/api/v1/nowhere", "/nowhere", "/static/live.js", "/api/v1/health"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == POLICY and headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer" and "access-control-allow-origin" not in headers
    assert client.get("/", headers={"host": "evil.example"}).headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY


@pytest.mark.bar(4)
def test_a_body_is_counted_while_it_comes(client: TestClient) -> None:
    # Its length is said, and is too much.
    answer = client.post("/api/v1/searches", content=b" " * 70_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413 and answer.json()["status"] == 413
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b" " * 10_000

    answer = client.post("/api/v1/searches", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert client.post("/searches", content=b"a" * 70_000).status_code == 413


@pytest.mark.bar(4)
def test_an_endless_body_is_read_no_further(tmp_path: Path) -> None:
    """The application sees no more than may be, and the answer is 413 even if it takes that for another error."""
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            while (message := await receive()).get("more_body"):
                seen.append(len(message["body"]))
        except Exception:
            await send({"type": "http.response.start", "status": 400, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 10_000, "more_body": True}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    gate = Gate(tmp_path / "tokens", tmp_path / "sign-ins", given=TOKEN)
    guard = Guard(app, gate=gate, hosts=Hosts("127.0.0.1", PORT), cookie="kevo")
    headers = [(b"host", f"127.0.0.1:{PORT}".encode()), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/searches", "headers": headers}
    asyncio.run(guard(scope, receive, send))
    assert sent[0]["status"] == 413 and sum(seen) <= 2**16


def test_a_header_that_is_there_twice_counts_as_missing(client: TestClient) -> None:
    good = f"127.0.0.1:{PORT}"
    headers = [("host", good), ("host", "evil.example"), ("authorization", f"Bearer {TOKEN}")]
    assert client.get("/api/v1/health", headers=headers).status_code == 421
