"""The objectives of a search for a classifier, by name."""

from __future__ import annotations

from collections.abc import Mapping

from kevo.objective import Objective, binomial_error

_CROSS_ENTROPY = "val_cross_entropy"
"""On a few hundred examples many candidates have the same accuracy; the one with the lower cross-entropy is better."""

OBJECTIVES: Mapping[str, Objective] = {
    "accuracy": Objective("val_accuracy", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error),
    "macro_f1": Objective("val_macro_f1", "max", tie_breaker=_CROSS_ENTROPY, standard_error=binomial_error),
    # Not `val_loss`: label smoothing and L2 are genes, and would change what is compared.
    "loss": Objective(_CROSS_ENTROPY, "min"),
}
"""The first is the default."""

COMPARED_SCORES = (("validation", "cross_entropy"), ("validation", "accuracy"), ("test", "accuracy"))
"""What tells an ensemble from a single model; see `TaskKind.compared_scores`."""
