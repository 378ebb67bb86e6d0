"""The examples of docs/serve.md for nginx and Caddy, as they stand there: sign-in, uploads, events and tokens."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.project import ROOT
from tests.support.serve_process import Process, wait
from tests.support.serving import pets

NAME = "kevo.example"
PUBLIC = f"https://{NAME}"
KEVO = "127.0.0.1:8765"
"""Where kevo listens in the examples."""
Start = Callable[..., Process]


def example(kind: str) -> str:
    """A block of code of the page."""
    found = re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / "docs/serve.md").read_text(encoding="utf-8"), re.M | re.S)
    (block,) = [one for one in found if KEVO in one]
    return str(block)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def nginx(folder: Path, port: int, kevo: str) -> list[str]:
    """Writes what nginx needs around the example, and returns its command."""
    certificate, key = folder / "kevo.pem", folder / "kevo.key"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    subprocess.run([*made, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True)
    server = example("nginx")
    for before, after in (
        (KEVO, kevo),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/kevo.pem", str(certificate)),
        ("/etc/ssl/kevo.key", str(key)),
    ):
        assert server.count(before) == 1
        server = server.replace(before, after)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    begin = f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/said;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{begin}http {{\naccess_log off;\n{places}{server}}}\n")
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "said")]


def caddy(folder: Path, port: int, kevo: str) -> list[str]:
    """Writes what Caddy needs before the example, and returns its command: no certificate can be had for that name."""
    site = example("text")
    assert site.count(KEVO) == 1
    ports = f"admin off\nauto_https disable_redirects\nhttps_port {port}\ndefault_bind 127.0.0.1\n"
    where = f"local_certs\nskip_install_trust\nstorage file_system {folder}/kept\n"
    (folder / "Caddyfile").write_text(f"{{\n{ports}{where}}}\n{site.replace(KEVO, kevo)}")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "caddy": caddy}


@contextlib.contextmanager
def behind(program: str, folder: Path, kevo: str) -> Iterator["Asking"]:
    """Begins a proxy before kevo, and yields whoever asks it; it ends with that."""
    port = free_port()
    folder.mkdir()
    command = PROXIES[program](folder, port, kevo)
    with (folder / "output").open("wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        with Asking(port) as asking:

            def answers() -> bool:
                assert child.poll() is None, (folder / "output").read_text()
                try:
                    return asking.ask("GET", "/api/v1/health").status_code == 200
                except httpx2.TransportError:
                    return False

            wait(answers)
            yield asking
    finally:
        child.terminate()
        child.wait(60)


class Asking(httpx2.Client):
    """Asks a proxy of this machine as if its name were known."""

    def __init__(self, port: int) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = f"https://127.0.0.1:{port}"
        super().__init__(verify=context, base_url=address, headers={"host": NAME}, timeout=60, follow_redirects=False)

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return self.request(method, path, extensions={"sni_hostname": NAME}, **options)


@pytest.mark.bar(1, 3, 5)
@pytest.mark.long
@pytest.mark.parametrize("program", PROXIES)
def test_the_whole_way_leads_through_a_proxy(program: str, tmp_path: Path, start: Start) -> None:
    for needed in {program, *(["openssl"] if program == "nginx" else [])}:
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    port = free_port()
    # An option that is given twice is what was given last.
    server = start("--port", str(port), "--public-url", PUBLIC, "--proxy", "127.0.0.1", "--paused")
    with behind(program, tmp_path / program, f"127.0.0.1:{port}") as asking:
        # Whoever has no token is led to where one is given, and its cookie is for https only.
        assert asking.ask("GET", "/api/v1/searches").status_code == 401
        assert "token" in asking.ask("GET", "/login").text
        signed = asking.ask("POST", "/login", data={"token": server.token}, headers={"origin": PUBLIC})
        assert signed.status_code == 303 and "Secure" in signed.headers["set-cookie"]
        cookie = {"cookie": signed.headers["set-cookie"].partition(";")[0], "origin": PUBLIC}
        assert asking.ask("GET", "/", headers=cookie).status_code == 200
        assert PUBLIC in asking.ask("GET", "/api", headers=cookie).text
        # A page from elsewhere has the cookie sent too.
        other = {**cookie, "origin": "https://evil.example"}
        assert asking.ask("POST", "/searches", data={"data": "digits"}, headers=other).status_code == 403
        # A form sends a file, as does a program: more than a proxy takes by default, and passed on while it comes.
        form = asking.ask("POST", "/data", files={"file": ("pets.zip", pets())}, headers=cookie)
        assert form.status_code == 303 and form.headers["location"].startswith("/data/")
        token = {"authorization": f"Bearer {server.token}"}
        partial = tmp_path / "root" / "tmp"
        arrived: list[int] = []

        def content() -> Iterator[bytes]:
            whole = pets() + bytes(3 * 2**20)
            yield whole[: 2**20]
            arrived.append(wait(lambda: sum(one.stat().st_size for one in partial.iterdir())))
            yield whole[2**20 :]

        refused = asking.ask("PUT", "/api/v1/data/pets.zip", content=content(), headers=token)
        assert refused.status_code == 422 and arrived[0] > 0, refused.text
        sent = asking.ask("PUT", "/api/v1/data/pets.zip", content=pets(("cat", "owl")), headers=token)
        assert sent.status_code == 201
        # Events come as they happen, and the stream ends with its search.
        begun = asking.ask("POST", "/api/v1/searches", json={"data": sent.json()["id"]}, headers=token).json()["id"]
        heard = []
        events = asking.stream(
            "GET", f"/api/v1/events?search={begun}", headers=token, extensions={"sni_hostname": NAME}
        )
        with events as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    heard.append(line.removeprefix("event: "))
                    if heard == ["snapshot"]:
                        # Nothing of this would come before the end if it were kept back.
                        assert asking.ask("POST", f"/api/v1/searches/{begun}/stop", headers=token).status_code == 202
        assert heard[0] == "snapshot" and "state" in heard and heard[-1] == "bye"
        # Who asks is who asked the proxy, and only so many wrong tokens are listened to.
        wrong = {"authorization": "Bearer wrong"}
        answers = [asking.ask("GET", "/api/v1/searches", headers=wrong).status_code for _ in range(11)]
        assert answers == [401] * 10 + [429]
