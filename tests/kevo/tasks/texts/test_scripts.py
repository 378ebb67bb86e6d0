"""Scripts of texts."""

import pytest

from kevo.tasks.texts.scripts import have_spaces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("this is a film", True),
        ("这是一部好看的电影", False),
        ("이 영화는 정말 좋다", True),
        ("", True),
        ("ภาพยนตร์" * 5, False),
    ],
)
def test_spaces_between_words(text: str, expected: bool) -> None:
    assert have_spaces([text]) is expected
