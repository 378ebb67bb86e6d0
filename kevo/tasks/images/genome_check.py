"""Checks that a mapping is a genome of an image classifier."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from kevo.tasks.images import backbones
from kevo.tasks.images.genes import connection
from kevo.tasks.images.space import WORDS
from kevo.training.evolution import EVOLUTION
from tuners.genome import Genome

_Kind = type | tuple[str, ...]
"""The type of a gene's values, or the words that it may be."""
_KIND_NAMES: Mapping[type, str] = {int: "an integer", float: "a finite number", bool: "true or false", str: "a word"}
_CONV_GENES: Mapping[str, _Kind] = {
    "conv/image_size": int,
    "conv/pooling": WORDS["block_poolings"],
    "conv/early_pooling": bool,
    "conv/convolution": WORDS["convolutions"],
    "conv/squeeze_excite": bool,
    "conv/shortcut": bool,
    "conv/batch_norm": bool,
    "conv/activation": str,
    "conv/summary": WORDS["conv_summaries"],
    "conv/l2": float,
}
_PRETRAINED_GENES: Mapping[str, _Kind] = {
    "pretrained/image_size": int,
    "pretrained/summary": WORDS["pretrained_summaries"],
    "pretrained/normalize_features": bool,
}
_FINE_TUNING_GENES: Mapping[str, _Kind] = {"fine_tune/num_blocks": int, "fine_tune/learning_rate": float}
_AUGMENTATION_GENES: Mapping[str, _Kind] = {
    "augment/flip": WORDS["flips"],
    "augment/rotation": float,
    "augment/zoom": float,
    "augment/translation": float,
    "augment/contrast": float,
}
_SHARED_GENES: Mapping[str, _Kind] = {
    "head/dropout": float,
    "head/l2": float,
    "mirror": bool,
    "schedule": WORDS["schedules"],
    "batch_size": int,
    "label_smoothing": float,
}


def check_genome(genome: Genome) -> None:
    """Checks that a mapping holds every gene that is active in it, each with a value of its kind, and no other.

    Which values a search allows is not checked: that is a `Space`'s own.

    Raises:
        ValueError: a gene is missing, unknown, or has a value of another kind.

    Example:
        >>> check_genome({"family": "recurrent"})
        Traceback (most recent call last):
        ...
        ValueError: The gene 'family' is 'recurrent'. Expected one of: conv, pretrained.
    """
    known: set[str] = set()

    def check(genes: Mapping[str, _Kind]) -> None:
        for name, kind in genes.items():
            known.add(name)
            if name not in genome:
                raise ValueError(f"The gene {name!r} is missing.")
            if not _is_of_kind(value := genome[name], kind):
                expected = f"one of: {', '.join(kind)}" if isinstance(kind, tuple) else _KIND_NAMES[kind]
                raise ValueError(f"The gene {name!r} is {value!r}. Expected {expected}.")

    check({"family": WORDS["families"]})
    if genome["family"] == "conv":
        check({**_CONV_GENES, "conv/num_blocks": int})
        # Squares have none.
        check({gene: int for gene in ("conv/height", "conv/width") if "conv/height" in genome})
        for block in range(1, int(genome["conv/num_blocks"]) + 1):
            # The first block that is missing ends this, however many there are said to be.
            check({f"conv/block_{block}/{name}": int for name in ("filters", "kernel_size", "num_convs")})
            # Most spaces have no such genes.
            possible = (connection(earlier, block) for earlier in range(1, block - 1))
            check({gene: bool for gene in possible if gene in genome})
        check({"conv/drop_path": float} if genome["conv/shortcut"] else {})
    else:
        check({**_PRETRAINED_GENES, "backbone": tuple(backbones.BACKBONES), "pretrained/tuning": WORDS["tunings"]})
        name = str(genome["backbone"])
        check({f"{name}/cut": backbones.get(name).cut_points})
        # A backbone that comes in one width has no such gene.
        check({gene: float for gene in (f"{name}/alpha",) if gene in genome})
        check(_FINE_TUNING_GENES if genome["pretrained/tuning"] == "fine_tune" else {})
    check({**_SHARED_GENES, "head/num_dense": int, "augment": bool, "optimizer": WORDS["optimizers"]})
    check({"head/units": int} if genome["head/num_dense"] else {})
    check(_AUGMENTATION_GENES if genome["augment"] else {})
    check({"sgd/learning_rate" if genome["optimizer"] == "sgd" else "learning_rate": float})
    check({"evolution/spread": float, "evolution/grow": bool} if genome["optimizer"] == EVOLUTION else {})
    check({"weight_decay": float} if genome["optimizer"] in ("adamw", "sgd") else {})
    if unknown := sorted(genome.keys() - known):
        raise ValueError(f"The gene {unknown[0]!r} is unknown, or not active here.")


def _is_of_kind(value: object, kind: _Kind) -> bool:
    if isinstance(kind, tuple):
        return value in kind
    if kind is float:
        return type(value) in (int, float) and math.isfinite(cast(float, value))
    # A bool is an int to Python.
    return type(value) is kind
