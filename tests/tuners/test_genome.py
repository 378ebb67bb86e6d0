import json
import math

import keras_tuner
import numpy as np
import pytest

from tuners.genome import Categorical, Condition, Gene, Ordinal, Range, SearchSpace

PLAIN = {str, int, float, bool}


def hyperparameters() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["dense", "conv"])
    hp.Choice("filters", [64, 16, 32], default=32)
    hp.Choice("flag", [True, False])
    hp.Choice("odd", [1, 9, 4], ordered=False)
    hp.Boolean("norm", default=True)
    hp.Fixed("version", 3)
    hp.Int("layers", 1, 4)
    hp.Int("width", 6, 13, step=3)
    hp.Int("batch", 2, 33, step=2, sampling="log")
    hp.Int("seeds", 1, 1000, sampling="log")
    hp.Int("huge", 0, 10**7)
    hp.Float("drop", 0, 1)
    hp.Float("tenth", 0, 1, step=0.1, default=0.3)
    hp.Float("rate", 1e-5, 1, sampling="log", default=1)
    hp.Float("decade", 1e-3, 10, step=10, sampling="log")
    hp.Float("late", 1, 8, step=2, sampling="reverse_log")
    hp.Int("between", 1, 10, step=3, default=5)
    with hp.conditional_scope("kind", ["conv"]):
        hp.Int("kernel", 1, 7, step=2)
        hp.Boolean("pool")
        with hp.conditional_scope("pool", [True]):
            hp.Int("pool_size", 2, 3)
    return hp


@pytest.fixture(scope="module")
def tuned() -> SearchSpace:
    return SearchSpace.from_hyperparameters(hyperparameters())


def domain(space: SearchSpace, name: str) -> list[object]:
    (gene,) = [gene for gene in space.genes if gene.name == name]
    values = gene.domain()
    assert values is not None
    return list(values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("kind", ["dense", "conv"]),
        ("filters", [16, 32, 64]),
        ("flag", [0, 1]),
        ("odd", [1, 9, 4]),
        ("norm", [False, True]),
        ("version", [3]),
        ("layers", [1, 2, 3, 4]),
        ("width", [6, 9, 12]),
        ("batch", [2, 4, 8, 16, 32]),
        ("tenth", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ("decade", [0.001, 0.01, 0.1, 1.0, 10.0]),
        ("late", [1.0, 5.0, 7.0, 8.0]),
        ("between", [1, 4, 5, 7, 10]),
        ("kernel", [1, 3, 5, 7]),
    ],
)
def test_reads_values_from_hyperparameters(tuned: SearchSpace, name: str, values: list[object]) -> None:
    found = domain(tuned, name)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_reads_ranges_from_hyperparameters(tuned: SearchSpace) -> None:
    ranges = {gene.name: gene for gene in tuned.genes if isinstance(gene, Range)}
    assert ranges == {
        "seeds": Range(name="seeds", default=1, low=1, high=1000, scale="log"),
        "drop": Range(name="drop", default=0.0, low=0.0, high=1.0),
        "rate": Range(name="rate", default=1.0, low=1e-5, high=1.0, scale="log"),
    }


def test_default_is_that_of_keras_tuner(tuned: SearchSpace) -> None:
    assert tuned.default() == hyperparameters().values


def test_nested_conditions_are_read(tuned: SearchSpace) -> None:
    conv = {**tuned.default(), "kind": "conv", "pool": True, "kernel": 3, "pool_size": 3}
    assert tuned.contains(conv)
    assert "pool_size" not in tuned.active({**conv, "pool": False})
    assert tuned.active({**conv, "kind": "dense"}) == tuned.default()


def test_numpy_scalars_become_plain() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("rate", [np.float64(0.1), np.float64(0.2)])
    hp.Float("drop", np.float32(0.0), np.float32(0.5))
    hp.Int("units", np.int64(1), np.int64(4), default=np.int64(2))
    space = SearchSpace.from_hyperparameters(hp)
    for seed in range(20):
        assert {type(value) for value in space.sample(np.random.default_rng(seed)).values()} == {int, float}


def test_unknown_hyperparameter_is_refused() -> None:
    class Mystery(keras_tuner.engine.hyperparameters.HyperParameter):  # type: ignore[misc]
        pass

    hp = keras_tuner.HyperParameters()
    hp._space.append(Mystery("what", default=1))
    with pytest.raises(TypeError, match="'what' is a Mystery, expected Boolean"):
        SearchSpace.from_hyperparameters(hp)


@pytest.mark.parametrize("seed", range(30))
def test_samples_are_plain_and_inside(tuned: SearchSpace, space: SearchSpace, seed: int) -> None:
    for where in (tuned, space):
        genome = where.sample(np.random.default_rng(seed))
        assert where.contains(genome)
        assert {type(value) for value in genome.values()} <= PLAIN
        assert json.loads(json.dumps(genome)) == genome
        assert genome == where.sample(np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(30))
def test_step_leads_to_another_value(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for gene in space.genes:
        value = gene.sample(rng)
        other = gene.step(rng, value)
        assert gene.contains(other)
        assert (other == value) == (gene.cardinality == 1)


@pytest.mark.parametrize("value", [1, 2])
def test_step_on_two_integers(value: int) -> None:
    gene = Range(name="n", default=1, low=1, high=2, scale="log")
    assert {gene.step(np.random.default_rng(seed), value) for seed in range(20)} == {3 - value}


def test_steps_are_short_on_the_scale_of_the_gene() -> None:
    gene = Range(name="rate", default=1e-3, low=1e-6, high=1.0, scale="log")
    decades = [np.log10(gene.step(np.random.default_rng(seed), 1e-3)) + 3 for seed in range(400)]
    # A tenth of six decades.
    assert np.std(decades) == pytest.approx(0.6, rel=0.15)
    assert np.mean(decades) == pytest.approx(0.0, abs=0.15)
    ordinal = Ordinal(name="n", default=0, values=range(1000))
    assert np.std([ordinal.step(np.random.default_rng(seed), 500) for seed in range(400)]) == pytest.approx(
        100, rel=0.15
    )
    near = {Ordinal(name="n", default=1, values=(1, 2, 4, 8)).step(np.random.default_rng(s), 4) for s in range(40)}
    assert near == {2, 8}


def test_log_scale_is_sampled_evenly() -> None:
    gene = Range(name="rate", default=1e-3, low=1e-4, high=1.0, scale="log")
    draws = [gene.sample(np.random.default_rng(seed)) for seed in range(1000)]
    counts = np.histogram(np.log10(draws), bins=[-4, -3, -2, -1, 0])[0]
    assert counts == pytest.approx(250, abs=60)
    integers = Range(name="n", default=1, low=1, high=4, scale="log")
    assert {integers.sample(np.random.default_rng(seed)) for seed in range(200)} == {1, 2, 3, 4}


def test_repair_keeps_drops_draws_and_redraws(space: SearchSpace, rng: np.random.Generator) -> None:
    broken = {"kind": "dense", "units": 350, "pool": True, "drop": 7.0, "rate": 0.5, "unheard": 1}
    before = dict(broken)
    repaired = space.repair(rng, broken)
    assert broken == before
    assert space.contains(repaired)
    assert (repaired["kind"], repaired["rate"]) == ("dense", 0.5)
    assert repaired["units"] in (8, 16, 32, 64)
    assert 0.0 <= repaired["drop"] <= 0.8
    assert "pool" not in repaired and "unheard" not in repaired


def test_repair_leaves_valid_genomes_alone(space: SearchSpace, rng: np.random.Generator) -> None:
    genome = space.sample(np.random.default_rng(5))
    assert space.repair(rng, genome) == genome


def test_the_first_active_gene_of_a_name_counts() -> None:
    space = SearchSpace((Ordinal(name="n", default=1, values=(1, 2)), Ordinal(name="n", default=5, values=(5, 6))))
    assert space.default() == {"n": 1}
    assert space.size == 2
    assert not space.contains({"n": 5})


def test_key_counts_active_genes_only_and_knows_types() -> None:
    space = SearchSpace(
        (
            Categorical(name="a", default=True, values=(True, False)),
            Ordinal(name="b", default=1, values=(1, 2), conditions=(Condition("a", (True,)),)),
        )
    )
    assert space.key({"a": False, "b": 1}) == space.key({"b": 2, "a": False}) == space.key({"a": False})
    assert space.key({"a": True, "b": 1}) == space.key({"b": 1, "a": True})
    assert len({space.key({"a": value}) for value in (False, 0, 0.0, "False")}) == 4


@pytest.mark.parametrize(
    ("values", "inside", "outside"),
    [
        ((True, False), True, 1),
        ((1, 0), 1, True),
        ((1, 0), 1, 1.0),
        (("1", "0"), "1", 1),
        ((1.0, 2.0), 1.0, 1),
        ((1.0, 2.0), 1.0, np.float64(1.0)),
    ],
)
def test_true_is_not_one(values: tuple[bool, ...], inside: object, outside: object) -> None:
    gene = Categorical(name="a", default=values[0], values=values)
    assert gene.contains(inside) and not gene.contains(outside)
    space = SearchSpace((gene,))
    assert space.contains({"a": inside}) and not space.contains({"a": outside})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("gene", "outside"),
    [
        (Range(name="x", default=1, low=1, high=3), True),
        (Range(name="x", default=1, low=1, high=3), 1.0),
        (Range(name="x", default=1.0, low=1.0, high=3.0), 1),
        (Range(name="x", default=1.0, low=1.0, high=3.0), float("nan")),
        (Range(name="x", default=1.0, low=1.0, high=3.0), "2"),
        (Ordinal(name="x", default=1, values=(1, 2)), True),
        (Ordinal(name="x", default=1, values=range(3)), "a"),
        (Ordinal(name="x", default=1, values=range(3)), None),
    ],
)
def test_genes_do_not_contain(gene: Gene, outside: object) -> None:
    assert gene.contains(gene.default)
    assert not gene.contains(outside)


def test_conditions_compare_as_keras_tuner_does() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("flag", [True, False], default=True)
    with hp.conditional_scope("flag", [True]):
        hp.Int("n", 1, 3)
    space = SearchSpace.from_hyperparameters(hp)
    assert space.default() == {"flag": 1, "n": 1}
    assert space.size == 4


def test_children_listed_before_their_parent_are_moved() -> None:
    child = Ordinal(name="n", default=1, values=(1, 2), conditions=(Condition("a", ("x",)),))
    parent = Categorical(name="a", default="x", values=("x", "y"))
    space = SearchSpace((child, parent))
    assert space.genes == (parent, child)
    assert space.default() == {"a": "x", "n": 1}


def test_conditions_in_a_circle_never_hold() -> None:
    first = Ordinal(name="a", default=1, values=(1, 2), conditions=(Condition("b", (1,)),))
    second = Ordinal(name="b", default=1, values=(1, 2), conditions=(Condition("a", (1,)),))
    assert SearchSpace((first, second)).default() == {}


def test_size_is_the_number_of_genomes(small_space: SearchSpace, space: SearchSpace) -> None:
    genomes = small_space.genomes()
    assert small_space.size == 4 + 7 * (1 + 3) + 1 == len(genomes)
    assert len({small_space.key(genome) for genome in genomes}) == len(genomes)
    assert all(small_space.contains(genome) for genome in genomes)
    assert space.size is None
    with pytest.raises(ValueError, match="'rate' has no end of values"):
        space.genomes()
    assert SearchSpace(()).size == 1


def test_size_of_a_range_without_width() -> None:
    assert SearchSpace((Range(name="x", default=2.0, low=2.0, high=2.0),)).size == 1
    assert SearchSpace((Range(name="x", default=2, low=1, high=10**9, scale="log"),)).size == 10**9


def test_size_of_a_wide_space_takes_no_time() -> None:
    flags = [Categorical(name=f"flag{i}", default=False, values=(False, True)) for i in range(60)]
    # Each flag is asked for by one later gene only.
    local = [
        gene
        for flag in flags
        for gene in (
            flag,
            Ordinal(name=f"{flag.name}n", default=1, values=(1, 2), conditions=(Condition(flag.name, (True,)),)),
        )
    ]
    assert SearchSpace(tuple(local)).size == 3**60
    # Here each flag matters until the end: too many branches.
    tangled = [
        Ordinal(name="n", default=1, values=(1, 2), conditions=(Condition(flag.name, (True,)),)) for flag in flags
    ]
    assert SearchSpace((*flags, *tangled)).size is None


def test_size_counts_unnamed_values_of_a_parent_together() -> None:
    parent = Ordinal(name="n", default=0, values=range(1_000_000))
    child = Ordinal(name="m", default=1, values=(1, 2, 3), conditions=(Condition("n", (7, 8)),))
    assert SearchSpace((parent, child)).size == 1_000_000 - 2 + 2 * 3


def test_wrong_genes_are_refused() -> None:
    with pytest.raises(ValueError, match="'x' got the default 3, expected one of its own values"):
        Ordinal(name="x", default=3, values=(1, 2))
    with pytest.raises(ValueError, match="'x' got the range 2.0 to 1.0"):
        Range(name="x", default=1.0, low=2.0, high=1.0)
    with pytest.raises(ValueError, match="low > 0 unless the scale is linear"):
        Range(name="x", default=1.0, low=0.0, high=1.0, scale="log")


def test_encoding_by_hand() -> None:
    space = SearchSpace(
        (
            Categorical(name="kind", default="a", values=("a", "b")),
            Ordinal(name="size", default=8, values=(8, 16, 64), conditions=(Condition("kind", ("b",)),)),
            Range(name="rate", default=0.1, low=0.01, high=1.0, scale="log"),
        )
    )
    half = math.sqrt(0.5)
    assert list(space.columns) == [0, 0, 1, 2]
    assert space.encode([{"kind": "a", "rate": 0.1}, {"kind": "b", "size": 64, "rate": 1.0}]) == pytest.approx(
        np.array([[half, 0.0, 0.5, 0.5], [0.0, half, 1.0, 1.0]])
    )


def test_no_gene_sets_genomes_farther_apart_than_one(space: SearchSpace, rng: np.random.Generator) -> None:
    places = space.encode([space.sample(rng) for _ in range(60)])
    assert places.shape == (60, len(space.columns))
    for gene in range(len(space.genes)):
        part = places[:, space.columns == gene]
        apart = np.sqrt(((part[:, None] - part[None]) ** 2).sum(axis=2))
        assert apart.max() <= 1.0 + 1e-12
    assert len(np.unique(places, axis=0)) == 60


def test_a_spread_shares_out_every_scale(space: SearchSpace, rng: np.random.Generator) -> None:
    genomes = space.spread(rng, 10)
    assert all(space.contains(genome) for genome in genomes)
    assert sorted(int(10 * float(genome["drop"]) / 0.8) for genome in genomes) == list(range(10))
    assert sorted([genome["kind"] for genome in genomes].count(kind) for kind in ("dense", "conv", "linear")) == [
        3,
        3,
        4,
    ]
