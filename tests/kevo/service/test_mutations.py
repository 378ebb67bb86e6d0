"""A guard that is taken out is missed: each mutation of the code turns a test red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.project import ROOT


class Mutation(NamedTuple):
    """A line that is changed, and the tests that must notice."""

    path: str
    before: str
    after: str
    tests: str


MUTATIONS = {
    "without the look at the host": Mutation(
        "guard.py", "if not self._hosts.knows(host):", "if False:", "test_guard.py::test_another_host_is_refused"
    ),
    "without the look at the origin": Mutation(
        "guard.py",
        "if not words and method not in _SAFE and not self._comes_from_here(headers, host):",
        "if False:",
        "test_guard.py::test_other_pages_cannot_use_the_cookie",
    ),
    "same-site counts as same-origin": Mutation(
        "guard.py",
        'return site == "same-origin"',
        'return site in ("same-origin", "same-site")',
        "test_guard.py::test_other_pages_cannot_use_the_cookie",
    ),
    "uploads are not counted": Mutation(
        "uploads.py", "if num > self.most:", "if False:", "test_uploads.py::test_an_upload_without_a_length_is_counted"
    ),
    "searches are looked up without their user": Mutation(
        "register.py",
        "return job if job is not None and user.may_see(job.owner) else None",
        "return job",
        "test_searches.py::test_others_have_none_of_it",
    ),
    "a stream looks its search up too late": Mutation(
        "rest/events.py",
        "job = None if search is None else job_of(search, request)",
        "job = None",
        "test_searches.py::test_others_have_none_of_it",
    ),
    "anybody is believed like the proxy": Mutation(
        "proxy.py",
        " and _address(client[0]) == self._proxy",
        "",
        "test_proxy.py::test_a_stranger_s_headers_change_nothing",
    ),
    "the lock is not inherited": Mutation(
        "launching.py",
        "pass_fds=(held,),",
        "",
        "test_searches.py::test_a_process_holds_the_lock_as_long_as_it_lives",
    ),
}


@pytest.mark.bar(1, 4, 8, 10)
@pytest.mark.long
@pytest.mark.parametrize("name", MUTATIONS)
def test_what_is_taken_out_is_missed(name: str, tmp_path: Path) -> None:
    path, before, after, tests = MUTATIONS[name]
    for folder in ("kevo", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for one in ("tuners", "pyproject.toml"):
        (tmp_path / one).symlink_to(ROOT / one)
    changed = tmp_path / "kevo/service" / path
    text = changed.read_text(encoding="utf-8")
    assert text.count(before) == 1
    changed.write_text(text.replace(before, after), encoding="utf-8")
    # A test that hangs is red too; its process ends at once then.
    options = ["-q", "-p", "no:cacheprovider", "--timeout", "60", "--timeout-method", "thread"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"tests/kevo/service/{tests}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "failed" in done.stdout or "Timeout" in done.stdout + done.stderr
