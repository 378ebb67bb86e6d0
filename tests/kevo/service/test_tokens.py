"""Tokens, one-time links and cookies: only hashes are kept."""

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from kevo.cli import main
from kevo.errors import RunError, SettingsError
from kevo.service import tokens
from kevo.service.tokens import Gate, TokenFile, User
from tests.support.serving import ADDRESS, pets, put_run, put_search, serving, write_result


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "tokens.json", tmp_path / "sessions.json")


def test_a_token_is_known_and_another_is_not(gate: Gate, tmp_path: Path) -> None:
    assert gate.user_of_token(gate.token) == User("owner")
    assert [gate.user_of_token(wrong) for wrong in ("", gate.token[:-1], gate.token + "x", "\udcff")] == [None] * 4
    assert Gate(tmp_path / "a", tmp_path / "b").token != gate.token


def test_tokens_for_programs_come_and_go_while_the_server_runs(gate: Gate, tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token = file.add("ci")
    assert gate.user_of_token(token) == User("ci")
    kept = (tmp_path / "tokens.json").read_text()
    assert token not in kept and stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600
    with pytest.raises(SettingsError, match="already"):
        file.add("ci")
    with pytest.raises(SettingsError, match="no name"):
        file.add("../x")
    file.remove("ci")
    assert gate.user_of_token(token) is None
    with pytest.raises(SettingsError, match="no token 'ci'"):
        file.remove("ci")


def test_who_leaves_is_signed_out_and_a_damaged_file_opens_nothing(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = TokenFile(path).add("ada", "admin")
    cookie = gate.sign_in("ada")
    assert gate.user_of_cookie(cookie) == gate.user_of_token(token) == User("ada", "admin")
    path.write_text(path.read_text().replace("admin", "emperor"))
    os.utime(path, (1, 1))
    assert gate.user_of_cookie(cookie) is None and gate.user_of_token(token) is None
    assert gate.user_of_token(gate.token) == User("owner")
    with pytest.raises(RunError, match="expected roles user, reader, admin. Received: 'emperor'"):
        TokenFile(path).rows()


@pytest.mark.bar(10)
def test_a_reader_sees_all_and_changes_nothing_and_an_admin_changes_all(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, client):
        job = put_search(server, state="finished", name="somebody's")
        write_result(put_run(server, job))
        upload = client.put("/api/v1/data/pets.zip", content=pets()).json()["id"]
        as_ = {
            role: {"authorization": f"Bearer {TokenFile(server.root.tokens).add(f'a-{role}', role)}"}
            for role in ("user", "reader", "admin")
        }
        search = f"/api/v1/searches/{job.id}"
        for path in (search, f"/api/v1/data/{upload}", f"/searches/{job.id}", f"{search}/files/best.keras"):
            seen = {role: client.get(path, headers=headers).status_code for role, headers in as_.items()}
            assert seen == {"user": 404, "reader": 200, "admin": 200}
        totals = {role: client.get("/api/v1/searches", headers=one).json()["total"] for role, one in as_.items()}
        assert totals == {"user": 0, "reader": 1, "admin": 1}
        new = {"data": "digits"}
        changes = [
            ("PATCH", search, {"name": "mine"}),
            ("POST", f"{search}/resume", {"max_trials": 1}),
            ("POST", "/api/v1/searches", new),
            ("POST", f"{search}/exports", {"name": "best.tflite"}),
            ("DELETE", f"/api/v1/data/{upload}", None),
            ("DELETE", search, None),
        ]
        for method, path, body in changes:
            answer = client.request(method, path, json=body, headers=as_["reader"])
            assert answer.status_code == 403 and "reader" in answer.json()["detail"]
        # To ask a model is no change: it is looked for, and the file of this test is none.
        asked = client.post(f"{search}/predict", content=b"x", headers=as_["reader"])
        assert asked.status_code not in (401, 403)
        page = client.get(f"/searches/{job.id}", headers=as_["reader"]).text
        assert "/resume" not in page and "/delete" not in page and "somebody" in page
        assert client.patch(search, json={"name": "mine"}, headers=as_["admin"]).json()["name"] == "mine"
        assert client.delete(search, headers=as_["user"]).status_code == 404
        assert client.delete(search, headers=as_["admin"]).status_code == 200


def test_the_owner_can_have_another_token(gate: Gate, tmp_path: Path) -> None:
    assert gate.user_of_token(TokenFile(tmp_path / "tokens.json").add("owner")) == User("owner")


def test_a_link_is_good_once_and_for_a_minute(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    code = gate.new_code()
    assert not gate.redeem("wrong") and gate.redeem(code) and not gate.redeem(code)
    monkeypatch.setattr(tokens, "LINK_SECONDS", -1.0)
    assert not gate.redeem(gate.new_code())


def test_a_cookie_lasts_beyond_a_restart_until_its_user_leaves(gate: Gate, tmp_path: Path) -> None:
    cookie = gate.sign_in("owner")
    again = Gate(tmp_path / "tokens.json", tmp_path / "sessions.json")
    assert again.user_of_cookie(cookie) == User("owner") and again.user_of_cookie("x") is None
    assert cookie not in (tmp_path / "sessions.json").read_text()
    again.sign_out(cookie)
    assert again.user_of_cookie(cookie) is None
    assert Gate(tmp_path / "tokens.json", tmp_path / "sessions.json").user_of_cookie(cookie) is None


def test_a_cookie_gets_too_old(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "SIGN_IN_SECONDS", -1.0)
    assert gate.user_of_cookie(gate.sign_in("owner")) is None


def test_wrong_tokens_are_counted(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (_server, client):
        wrong = {"authorization": "Bearer wrong"}
        answers = [client.get("/api/v1/searches", headers=wrong).status_code for _ in range(12)]
        assert answers == [401] * 10 + [429] * 2
        # Whoever has a good one is not kept out by that.
        assert client.get("/api/v1/searches").status_code == 200
        page = client.post("/login", data={"token": "wrong"}, headers={"authorization": "", "origin": ADDRESS})
        assert page.status_code == 429 and "Wait a minute" in page.text


def test_a_link_signs_in_once(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, client):
        code = server.gate.new_code()
        no_token = {"authorization": ""}
        first = client.get(f"/login?code={code}", headers=no_token, follow_redirects=False)
        assert (first.status_code, first.headers["location"]) == (303, "/")
        client.cookies.clear()
        again = client.get(f"/login?code={code}", headers=no_token, follow_redirects=False)
        assert again.status_code == 401 and "used already" in again.text and "set-cookie" not in again.headers


def test_the_command_keeps_tokens(tmp_path: Path) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["serve", "--root", str(tmp_path / "root"), "token", *arguments])
        return done.exit_code, done.output

    code, token = command("add", "ci")
    assert code == 0 and len(token.strip()) > 40
    assert command("add", "boss", "--role", "root")[0] == 2
    code, listed = command("list")
    assert '"name": "ci", "role": "user"' in listed and token.strip() not in listed and "sha256" not in listed
    assert command("remove", "ci")[0] == 0 and command("list") == (0, "")
    assert command("remove", "ci")[0] == 2
