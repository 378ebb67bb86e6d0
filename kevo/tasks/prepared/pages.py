"""What pages about searches of tables and of texts say alike."""

from __future__ import annotations

from collections.abc import Mapping

from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.classes.pages import ClassPages
from kevo.tasks.outputs.numbers.output import REGRESSION
from kevo.tasks.outputs.numbers.pages import NumberPages
from kevo.tasks.outputs.words import Words
from kevo.tasks.pages import Pages

ANSWER: Mapping[str, str] = {
    CLASSIFICATION: """\
for probabilities in model.predict(inputs, verbose=0):
    print(takes["class_names"][probabilities.argmax()], probabilities.max())
""",
    REGRESSION: """\
for numbers in model.predict(inputs, verbose=0):
    print(numbers[0])
""",
}
"""How the lines end that load the model, for what may be asked."""
OUTPUTS: Mapping[str, str] = {CLASSIFICATION: "probabilities", REGRESSION: "numbers"}
"""What a model's outputs are called in lines of Python."""


def pages(words: Words) -> Mapping[str, Pages]:
    """Returns the pages for what may be asked of examples."""
    return {CLASSIFICATION: ClassPages(words), REGRESSION: NumberPages(words)}
