"""Word vectors that were learned elsewhere: a file of them is read, as far as a search has use for them.

Such files are the text format of word2vec (Mikolov et al. 2013, arXiv:1301.3781), GloVe (Pennington, Socher and Manning
2014, doi:10.3115/v1/D14-1162) and fastText (Bojanowski et al. 2017, arXiv:1607.04606): a word and its numbers on each
line, the commonest word first.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.system.text import printable

_PUNCTUATION = rb"""!"#$%&()*+,-./:;<=>?@[\]^_`{|}~'"""
"""What Keras's `TextVectorization` leaves out."""
_MOST_WORDS = 40_000
"""So many words are kept: those of the training texts, and then the first others of the file."""
_LONGEST_LINE = 200_000
"""Bytes: more than 10,000 numbers."""
_MOST_NUMBERS, _MOST_KEPT_NUMBERS = 4096, 256
"""Numbers of a word in a file, and in a network."""
_MOST_BYTES = 20 * 2**30


@dataclass(frozen=True, slots=True, eq=False)
class WordVectors:
    """Vectors of words.

    Args:
        words: In lower case and without punctuation, as networks read them: those of the training texts first, the
            commonest first of all.
        table: A vector for each, shape (len(words), size); on average 0, with numbers of about 1.
    """

    words: tuple[str, ...]
    table: npt.NDArray[np.float32]

    @property
    def size(self) -> int:
        """Numbers of each word."""
        return int(self.table.shape[1])


def read(path: str | os.PathLike[str], texts: Sequence[str]) -> tuple[WordVectors, str]:
    """Reads the vectors of the words of texts, and of the file's first others, up to 40,000.

    What has more than 256 numbers is reduced to that by its principal components.

    Args:
        path: The file. A first line of two numbers, as word2vec and fastText write it, is stepped over.
        texts: The training texts.

    Returns:
        The vectors, and what there is to say of them, in a sentence.

    Raises:
        DataError: it is no such file, or has none of the texts' words.
    """
    counts = Counter(word for text in texts for word in plain(text.encode()).split())
    own = [word for word, _ in counts.most_common(_MOST_WORDS)]
    found = dict(_wanted(path, set(own)))
    known = [word for word in own if word in found]
    if not known:
        raise DataError(
            f"{_name(path)} has none of the {len(own):,} different words of the training texts. Expected vectors of "
            "words of the same language."
        )
    is_own = set(own)
    words = [*known, *(word for word in found if word not in is_own)][:_MOST_WORDS]
    share = sum(counts[word] for word in known) / counts.total()
    said = (
        f"{_name(path)} has vectors of {len(known):,} of the {len(counts):,} different words of the training texts, "
        f"which are {share:.0%} of all their words."
    )
    table = reduced(np.stack([found[word] for word in words]))
    return WordVectors(tuple(word.decode() for word in words), table), said


def plain(text: bytes) -> bytes:
    """Returns UTF-8 as Keras's `TextVectorization` reads it: letters from A to Z in lower case, no punctuation.

    Example:
        >>> plain(b"Don't!")
        b'dont'
    """
    return text.lower().translate(None, _PUNCTUATION)


def reduced(table: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Returns vectors with mean 0, at most 256 numbers each, and numbers whose squares are 1 on average.

    Args:
        table: Shape (n, size).
    """
    centered = table.astype(np.float64) - table.mean(axis=0, dtype=np.float64)
    if centered.shape[1] > _MOST_KEPT_NUMBERS:
        _, directions = np.linalg.eigh(centered.T @ centered)
        centered = centered @ directions[:, ::-1][:, :_MOST_KEPT_NUMBERS]
    spread = float(np.sqrt((centered**2).mean()))
    scaled: npt.NDArray[np.float32] = (centered / (spread or 1.0)).astype(np.float32)
    return scaled


def _wanted(path: str | os.PathLike[str], own: set[bytes]) -> Iterator[tuple[bytes, npt.NDArray[np.float32]]]:
    """Yields the words of texts, and so many others that there are 40,000 with them, in the file's order."""
    left, seen, size = _MOST_WORDS - len(own), set[bytes](), 0
    between = b" "
    for number, line in enumerate(_lines(path), start=1):
        if not size:
            between = b" " if b" " in line else b"\t"
            size = line.count(between)
            if size == 1 and line.replace(between, b"").isdigit():
                size = 0
                continue
            if not 1 <= size <= _MOST_NUMBERS:
                raise _unreadable(path, number, f"Expected a word and 1 to {_MOST_NUMBERS:,} numbers")
        word = plain(line.partition(between)[0])
        if word in seen or (word not in own and left <= 0) or not _is_one(word):
            continue
        fields = line.split(between)[1:]
        if len(fields) > size:
            # The word itself has spaces in it, and is none of ours.
            continue
        try:
            vector = np.array(fields, np.float32)
        except ValueError as error:
            raise _unreadable(
                path, number, f"Expected a word and {size:,} numbers, with one space between each"
            ) from error
        if len(vector) != size or not np.isfinite(vector).all():
            raise _unreadable(path, number, f"Expected a word and {size:,} finite numbers, as on the first line")
        seen.add(word)
        left -= word not in own
        yield word, vector


def _lines(path: str | os.PathLike[str]) -> Iterable[bytes]:
    """Yields the lines of a file."""
    if os.path.isdir(path):
        raise DataError(
            f"{_name(path)} is a folder. Expected a file with a word and its numbers on each line. Of the folder of a "
            "sentence transformer `kevo vectors FOLDER FILE` makes one."
        )
    if os.path.exists(path) and not os.path.isfile(path):
        # A pipe might never say anything, and a device never end.
        raise DataError(f"{_name(path)} is no file. Write what it holds to a file, and give that.")
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _MOST_BYTES:
                raise DataError(f"{_name(path)} is larger than {_MOST_BYTES / 2**30:.0f} GB. Expected fewer words.")
            while line := file.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE or b"\0" in line:
                    raise DataError(
                        f"{_name(path)} is no text with a word and its numbers on each line. Unpack it, or write it in "
                        "word2vec's text format, as files are that end in .txt or .vec."
                    )
                if line := line.strip():
                    yield line
    except OSError as error:
        raise DataError(f"{_name(path)} cannot be read: {error.strerror}. Expected a file of word vectors.") from error


def _unreadable(path: str | os.PathLike[str], number: int, expected: str) -> DataError:
    return DataError(f"Line {number:,} of {_name(path)} is no word vector. {expected}.")


def _is_one(word: bytes) -> bool:
    """Tells whether these bytes are a word of UTF-8."""
    try:
        return bool(word) and not any(letter.isspace() for letter in word.decode())
    except UnicodeDecodeError:
        return False


def _name(path: str | os.PathLike[str]) -> str:
    return printable(os.fspath(path))
