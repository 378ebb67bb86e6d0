"""ROC curves as a figure: of two classes one curve, of several each class against all others."""

from __future__ import annotations

from collections.abc import Sequence

from kevo.tasks.outputs.classes import ranks
from kevo.tasks.pages import Curves

_MOST_CURVES = 10
"""More curves cannot be told apart."""


def roc_curves(
    probabilities: ranks.Probabilities, labels: ranks.Labels, names: Sequence[str], *, examples: str
) -> Curves | None:
    """Returns the curves of all classes that some examples have and others have not, the worst ten of more.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).
        names: The classes, in the order of the probabilities.
        examples: What the examples are called, in the plural.

    Returns:
        The figure; `None` where no class has a curve.
    """
    areas = ranks.roc_aucs(probabilities, labels)
    known = [place for place, area in enumerate(areas) if area == area]
    # With two classes each curve is the other one turned.
    places = known[-1:] if len(names) == 2 else sorted(known, key=lambda place: float(areas[place]))[:_MOST_CURVES]
    if not places:
        return None
    curves = tuple(
        (
            f"{names[place]}, AUC {areas[place]:.3f}",
            tuple((false, true) for _, false, true in ranks.roc(probabilities[:, place], labels == place)),
        )
        for place in places
    )
    worst = (
        f" The {len(places)} classes with the smallest areas." if len(places) < len(known) and len(names) > 2 else ""
    )
    return Curves(
        name="roc",
        title="ROC curve" if len(curves) == 1 else "ROC curves, each class against all others",
        caption=f"Of {len(labels)} {examples}, what share of a class is found for what share of the others that are "
        f"taken for it, from every threshold on.{worst}",
        x_label="Share of the others taken for it",
        y_label="Share of the class found",
        curves=curves,
    )
