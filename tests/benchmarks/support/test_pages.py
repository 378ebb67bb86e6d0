from pathlib import Path

import pytest

from benchmarks.support.pages import replace_section, section


def test_a_section_is_read_and_replaced_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- one -->\nold\n<!-- end of one -->\nafter\n")
    assert section(page, "one") == "old"
    replace_section(page, "one", "new\nlines")
    assert page.read_text() == "before\n<!-- one -->\nnew\nlines\n<!-- end of one -->\nafter\n"


def test_a_page_without_the_section_is_named_and_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- one -->\nnever ends\n")
    with pytest.raises(ValueError, match="page.md has no section 'one', expected the lines"):
        replace_section(page, "one", "new")
    assert page.read_text() == "<!-- one -->\nnever ends\n"
