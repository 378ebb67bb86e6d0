"""Class probabilities of one example, in a line and as JSON."""

import pytest

from kevo.tasks.outputs.classes.predictions import line, to_json

PROBABILITIES = {"zebra": 0.5, "cat": 0.25, "a dog": 0.25}


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (1, "zebra 0.500  x.png"),
        (2, "zebra 0.500  cat   0.250  x.png"),
        (9, "zebra 0.500  cat   0.250  a dog 0.250  x.png"),
    ],
)
def test_lines_stand_below_each_other(top: int, expected: str) -> None:
    assert line("x.png", PROBABILITIES, top=top) == expected


def test_json_says_the_likeliest_first() -> None:
    assert to_json(PROBABILITIES, top=None) == {"label": "zebra", "probability": 0.5, "probabilities": PROBABILITIES}
    assert to_json(PROBABILITIES, top=2)["probabilities"] == {"zebra": 0.5, "cat": 0.25}
