"""How often an epoch goes through the examples, where these are few; loads no TensorFlow."""

from __future__ import annotations

import math

_LEAST_EXAMPLES = 1024
"""An epoch takes in so many examples at least. Of a few hundred rows, ten epochs would else be a hundred steps."""


def num_passes(num_examples: int) -> int:
    """Returns how often an epoch goes through the examples.

    Example:
        >>> num_passes(10_000), num_passes(300)
        (1, 4)
    """
    return math.ceil(_LEAST_EXAMPLES / num_examples)
