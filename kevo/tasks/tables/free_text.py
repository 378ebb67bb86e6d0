"""Which columns of a table hold free text, and whether that is what the table is about."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kevo.errors import DataError
from kevo.tasks.tables.columns import Raw, is_missing, parse
from kevo.tasks.tables.reading import is_table, read_table

_NUM_LOOKED_AT = 200
_LEAST_WORDS = 4.0
"""A text has so many words at least, on average."""
_LEAST_DISTINCT = 0.5
"""So large a part of the texts differs from all others at least."""
_WIDE = 0x2E80
"""From here on scripts have letters that are words or syllables, and no spaces between words."""
_LETTERS_PER_WORD = 2


def text_columns(columns: Mapping[str, Raw]) -> list[str]:
    """Returns the columns of free text, that with the longest texts first."""
    words = {name: _mean_words(values) for name, values in columns.items()}
    return sorted((name for name, mean in words.items() if mean >= _LEAST_WORDS), key=lambda name: -words[name])


def is_of_texts(source: Any) -> bool:
    """Tells whether a file is a table of texts: one column of free text, and no other to predict from.

    Beside the texts and one column that may be the target, there are only columns that count or identify the rows, hold
    names, or say the same everywhere, as far as the first 200 rows tell.
    """
    if not is_table(source) or not os.path.isfile(source):
        return False
    try:
        columns = read_table(Path(source), most_rows=_NUM_LOOKED_AT).columns
    except DataError:
        return False
    texts = text_columns(columns)
    others = [name for name, values in columns.items() if name not in texts and not is_idle(list(values))]
    return bool(texts) and len(others) <= 1


def num_words(text: str) -> float:
    """Returns about how many words a text has, whatever its script.

    Example:
        >>> num_words("a fine film"), num_words("好看的电影")
        (3.0, 3.5)
    """
    wide = sum(ord(letter) >= _WIDE for letter in text)
    return len(text.split()) + wide / _LETTERS_PER_WORD


def is_idle(values: Sequence[object]) -> bool:
    """Tells whether a column counts or identifies rows, holds names, or says the same everywhere.

    Only the first 200 values are looked at.
    """
    texts = list(map(str, values[:_NUM_LOOKED_AT]))
    num_distinct = len(set(texts))
    parsed = [parse(text) for text in texts if not is_missing(text)]
    numbers = [number for number in parsed if number is not None]
    if len(numbers) < len(parsed):
        return num_distinct == 1 or num_distinct >= _LEAST_DISTINCT * len(texts)
    # Whole numbers that all differ count the rows; other amounts are something to predict.
    return num_distinct == 1 or (
        num_distinct == len(texts) and all(math.isfinite(number) and number == math.floor(number) for number in numbers)
    )


def _mean_words(values: Raw) -> float:
    texts = [value for value in values[:_NUM_LOOKED_AT] if isinstance(value, str) and not is_missing(value)]
    if len(texts) < 2 or len(set(texts)) < _LEAST_DISTINCT * len(texts):
        return 0.0
    return statistics.fmean(map(num_words, texts))
