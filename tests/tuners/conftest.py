import numpy as np
import pytest

from tuners.genome import Categorical, Condition, Gene, Ordinal, Range, SearchSpace


def _when(name: str, *values: str | int | float | bool) -> tuple[Condition, ...]:
    return (Condition(name, values),)


@pytest.fixture
def genes() -> tuple[Gene, ...]:
    """Every kind of gene, conditions on conditions, and a name that stands for two genes."""
    return (
        Categorical(name="kind", default="dense", values=("dense", "conv", "linear")),
        Range(name="rate", default=0.01, low=1e-5, high=1.0, scale="log"),
        Range(name="momentum", default=0.9, low=0.5, high=0.99, scale="reverse_log"),
        Range(name="drop", default=0.0, low=0.0, high=0.8),
        Range(name="batch", default=32, low=1, high=512, scale="log"),
        Ordinal(name="units", default=16, values=(8, 16, 32, 64), conditions=_when("kind", "dense")),
        Ordinal(name="units", default=100, values=range(100, 401, 50), conditions=_when("kind", "conv")),
        Categorical(name="pool", default=False, values=(False, True), conditions=_when("kind", "conv")),
        Ordinal(name="size", default=2, values=(2, 3, 4), conditions=(*_when("kind", "conv"), *_when("pool", True))),
        Categorical(name="version", default="v1", values=("v1",)),
    )


@pytest.fixture
def space(genes: tuple[Gene, ...]) -> SearchSpace:
    return SearchSpace(genes)


@pytest.fixture
def small_space(genes: tuple[Gene, ...]) -> SearchSpace:
    """The finite part: dense 4, conv 7 * (1 + 3), linear 1; 33 genomes."""
    return SearchSpace(tuple(gene for gene in genes if gene.name in {"kind", "units", "pool", "size", "version"}))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
