"""Pages lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.support.project import ROOT


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    addresses = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    inner = [address for address in addresses if "://" not in address]
    assert [address for address in inner if not (page.parent / address).exists()] == []
