"""The splits of a data set: their names, and which part of the examples goes into those that a source does not give."""

from __future__ import annotations

from kevo.errors import SettingsError

SPLITS = ("train", "validation", "test")
"""Their names, in the order in which they are used."""
SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What they are called in sources, in lower case."""
VALIDATION_FRACTION, TEST_FRACTION = 0.2, 0.15
"""What is taken out of the training examples, unless somebody asks for another part."""


def fractions_of(*, validation: float, test: float) -> dict[str, float]:
    """Returns the part of the examples of each split that can be made, by its name.

    Args:
        validation: That of the validation split.
        test: That of the test split.

    Raises:
        SettingsError: a part is not positive, or nothing would be left to train on.

    Example:
        >>> fractions_of(validation=0.2, test=0.1)
        {'validation': 0.2, 'test': 0.1}
    """
    found = {"validation": validation, "test": test}
    if not (min(found.values()) > 0 and sum(found.values()) < 1):
        raise SettingsError(
            "`validation_fraction` and `test_fraction` must be positive and leave something to train on. Received: "
            f"{validation} and {test}."
        )
    return found
