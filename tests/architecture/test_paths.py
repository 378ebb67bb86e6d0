"""Tracked files name no place of one machine."""

import re
import subprocess

import pytest

from tests.support.project import ROOT


def test_no_absolute_paths_in_tracked_files() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip(f"{ROOT / '.git'} is missing: only a git checkout knows its tracked files")
    absolute = re.compile(rb"(?<![\w.~-])/(?:home|root|tmp|Users|work)/")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content and absolute.search(content):
            found.append(name)
    assert found == []
