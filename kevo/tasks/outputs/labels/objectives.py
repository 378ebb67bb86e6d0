"""The objectives of a search for several labels at once, by name."""

from __future__ import annotations

from collections.abc import Mapping

from kevo.objective import Objective, binomial_error

_CROSS_ENTROPY = "val_binary_cross_entropy"
"""It sees more of each example than the order of examples, or what lies on which side of a threshold."""

OBJECTIVES: Mapping[str, Objective] = {
    "average_precision": Objective(
        "val_average_precision", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error
    ),
    "macro_f1": Objective("val_macro_f1", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error),
    # Not `val_loss`: label smoothing and L2 are genes, and would change what is compared.
    "loss": Objective(_CROSS_ENTROPY, "min"),
}
"""The first is the default."""

COMPARED_SCORES = (
    ("validation", "binary_cross_entropy"),
    ("validation", "average_precision"),
    ("test", "average_precision"),
)
"""What tells an ensemble from a single model; see `TaskKind.compared_scores`."""
