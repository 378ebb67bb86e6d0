"""Which scripts texts are in, as far as it matters how they are divided."""

from __future__ import annotations

from collections.abc import Sequence

_NUM_LOOKED_AT = 200
_LONGEST_WORDS = 20
"""Letters of a word, on average, where there are spaces between words; with more there are none."""
_WIDE = (0x2E80, 0xAC00)
"""The scripts of Chinese and Japanese."""


def have_spaces(texts: Sequence[str]) -> bool:
    """Tells whether there are spaces between the words of texts, as the first 200 tell.

    Example:
        >>> have_spaces(["a fine film"]), have_spaces(["好看的电影"])
        (True, False)
    """
    looked_at = texts[:_NUM_LOOKED_AT]
    num_letters = sum(map(len, looked_at))
    num_words = sum(len(text.split()) for text in looked_at)
    num_wide = sum(_WIDE[0] <= ord(letter) < _WIDE[1] for text in looked_at for letter in text)
    return num_letters <= _LONGEST_WORDS * max(1, num_words) and 2 * num_wide <= num_letters
