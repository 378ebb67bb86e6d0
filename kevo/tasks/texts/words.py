"""Which words a model goes by: what it answers when one of them is left out of the texts that have it.

Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901; of words: Li, Monroe and Jurafsky 2016, arXiv:1612.08220).
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kevo.runs.atomic_files import loads

Predict = Callable[[Sequence[str]], npt.NDArray[np.floating]]
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_MOST_TEXTS = 1000
_MOST_WORDS = 150
_TEXTS_PER_WORD = 20
_LEAST_TEXTS = 3


@dataclass(frozen=True, slots=True)
class Word:
    """What a word does to a model's answers, on average over the texts that have it.

    Args:
        word: The word, in lower case.
        output: The name of the output that it raises most, or lowers where there is but one.
        effect: By how much.
        num_texts: In so many texts it was left out.
    """

    word: str
    output: str
    effect: float
    num_texts: int


def measure(predict: Predict, texts: Sequence[str], names: Sequence[str]) -> list[Word]:
    """Measures what the words of texts do to a model's answers.

    Args:
        predict: Returns outputs, shape (n, num_outputs).
        texts: Texts that the model has not learned from. Of more than 1,000, the first as many are taken.
        names: The names of the outputs.

    Returns:
        The 150 commonest of the words that not most texts have, those with the largest effect first.
    """
    texts = texts[:_MOST_TEXTS]
    places: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        for word in sorted({found.casefold() for found in _WORD.findall(text)}):
            places[word].append(place)
    common = [word for word in sorted(places, key=lambda word: (-len(places[word]), word)) if len(word) > 1]
    chosen = [word for word in common if _LEAST_TEXTS <= len(places[word]) <= len(texts) / 2][:_MOST_WORDS]
    if not chosen:
        return []
    tried = [(word, place) for word in chosen for place in places[word][:_TEXTS_PER_WORD]]
    patterns = {word: re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in chosen}
    whole = predict(texts)
    without = predict([patterns[word].sub(" ", texts[place]) for word, place in tried])
    effects: dict[str, list[npt.NDArray[np.floating]]] = defaultdict(list)
    for (word, place), outputs in zip(tried, without, strict=True):
        effects[word].append(whole[place] - outputs)
    found = []
    for word, changes in effects.items():
        mean = np.mean(changes, axis=0)
        largest = int(np.argmax(mean)) if len(mean) > 1 else 0
        found.append(Word(word, names[largest], float(mean[largest]), len(changes)))
    return sorted(found, key=lambda one: (-abs(one.effect), one.word))


def dumps(found: Sequence[Word]) -> str:
    """Returns JSON, which `read` reads."""
    return json.dumps([dataclasses.asdict(one) for one in found], indent=2, ensure_ascii=False)


def read(path: Path) -> list[Word]:
    """Reads the words of a file; returns none where it is missing or damaged."""
    try:
        values = loads(path.read_bytes())
        found = [
            Word(str(one["word"]), str(one["output"]), float(one["effect"]), int(one["num_texts"])) for one in values
        ]
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return []
    return found if all(math.isfinite(one.effect) for one in found) else []
