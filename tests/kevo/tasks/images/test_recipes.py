"""The genomes that a search begins with, and those that it makes of others."""

import dataclasses

import pytest

from kevo.tasks.images import genes, recipes
from kevo.tasks.images.space import preset
from tests.support.search_spaces import ALPHAS, declared
from tuners.genome import SearchSpace


@pytest.mark.parametrize(
    ("name", "ladder"),
    [
        ("small", [(160, False), (160, True)]),
        ("default", [(160, False), (224, False), (288, False), (288, True)]),
        ("wide", [(192, False), (256, False), (320, False), (320, True)]),
    ],
)
def test_seeds_climb_from_cheap_to_expensive(name: str, ladder: list[tuple[int, bool]]) -> None:
    search_space = declared(name)
    seeds = [search_space.default(seed) for seed in recipes.seeds(preset(name), image_size=64)]
    *pretrained, strong, plain, reference, conv = seeds
    if name != "small":
        tuned = pretrained.pop()
        assert (tuned["pretrained/tuning"], tuned["pretrained/image_size"]) == ("fine_tune", ladder[-1][0])
    assert [(one["pretrained/image_size"], one.get("augment/flip") == "horizontal") for one in pretrained] == ladder
    assert [one["mirror"] for one in pretrained] == [mirror and name != "small" for _, mirror in ladder]
    assert all(one["head/num_dense"] == 0 and one["head/l2"] in (0.01, 0.03) for one in pretrained)
    shape = ("family", "conv/image_size", "conv/num_blocks", "conv/block_1/filters", "conv/block_2/filters")
    assert [reference[gene] for gene in shape] == ["conv", 32, 2, 16, 32]
    assert conv == search_space.default({"family": "conv"})
    assert strong["augment"] and not plain["augment"] and strong["schedule"] == plain["schedule"] == "one_cycle"
    assert len({search_space.key(one) for one in seeds}) == len(seeds)


def test_seeds_of_small_pictures_and_of_one_family_are_genomes_too() -> None:
    search_space = declared("small", image_size=20, alphas={})
    seeds = [search_space.default(seed) for seed in recipes.seeds(preset("small"), image_size=20, leading=[])]
    assert {(one["family"], one["conv/image_size"]) for one in seeds} == {("conv", 16)}
    assert len({search_space.key(one) for one in seeds}) == 4


def test_boards_begin_without_pooling_and_with_a_dense_layer() -> None:
    space = preset("default")
    declared_ = genes.declare(space, image_size=7, num_pictures=1000, shape=(6, 7), alphas={})
    search_space = SearchSpace.from_hyperparameters(declared_)
    seeds = [search_space.default(seed) for seed in recipes.of_boards(space)]
    assert [seed["conv/num_blocks"] for seed in seeds] == [2, 3, 3]
    assert {(seed["conv/pooling"], seed["conv/summary"], seed["head/num_dense"]) for seed in seeds} == {
        ("none", "flatten", 1)
    }
    assert [seed["augment"] for seed in seeds] == [False, False, True]
    assert recipes.of_boards(dataclasses.replace(space, families=("pretrained",))) == []


@pytest.mark.parametrize(
    ("name", "size", "filters"),
    [("default", 32, (32, 64, 128)), ("default", 160, (32, 64, 128, 128)), ("small", 32, (32, 64, 64))],
)
def test_the_recipe_is_a_genome_of_the_space(name: str, size: int, filters: tuple[int, ...]) -> None:
    search_space = declared(name, image_size=size)
    wanted = recipes.recipe(preset(name), image_size=size)
    found = search_space.default(wanted)
    same = [gene for gene, value in wanted.items() if found.get(gene) == value]
    # Where nothing is mirrored, or there is but one value, the space decides.
    assert set(wanted) - set(same) <= {"mirror"}
    assert found["conv/image_size"] <= size and found["conv/num_blocks"] == len(filters)
    assert tuple(found[f"conv/block_{block}/filters"] for block in range(1, len(filters) + 1)) == filters
    assert (found["optimizer"], found["learning_rate"], found["schedule"]) == ("adam", 4e-3, "one_cycle")


def test_a_frozen_genome_may_be_fine_tuned_as_deep_as_the_space_says() -> None:
    search_space = declared()
    frozen = search_space.default({"family": "pretrained", "pretrained/tuning": "frozen"})
    tuned = recipes.fine_tuned(frozen, preset("default"))
    assert [one["fine_tune/num_blocks"] for one in tuned] == [3, 2, 1]
    assert all(
        search_space.default(one) == one and one["fine_tune/learning_rate"] == pytest.approx(1e-4) for one in tuned
    )
    # With less time the same number of blocks learns from fewer copies.
    flipped = search_space.default({**frozen, "augment": True, "augment/flip": "horizontal", "mirror": True})
    fewer = recipes.fine_tuned(flipped, preset("default"))
    changes = [(one["fine_tune/num_blocks"], one["augment"], one["mirror"]) for one in fewer]
    assert changes == [(3, True, True), (2, True, True), (1, True, True)] + [(num, False, True) for num in (3, 2, 1)]
    assert all(search_space.default(one) == one for one in fewer)
    assert recipes.fine_tuned(tuned[0], preset("default")) == recipes.fine_tuned(frozen, preset("small")) == []


@pytest.mark.parametrize(
    ("name", "num_epochs", "is_moved"), [("default", 40, True), ("default", 10, False), ("small", 40, True)]
)
def test_pictures_are_moved_where_a_network_from_scratch_sees_them_often(
    name: str, num_epochs: float, is_moved: bool
) -> None:
    search_space = declared(name, image_size=32)
    for changes in (
        {"augment": False},
        {"augment": True, "augment/flip": "horizontal", "augment/translation": 0.0, "augment/zoom": 0.1},
    ):
        genome = search_space.default({"family": "conv", **changes})
        longer = recipes.lengthened(genome, preset(name), num_epochs=num_epochs)
        if not is_moved:
            assert longer == genome
            continue
        assert search_space.default(longer) == longer, "it is a genome of the space"
        assert longer["augment/translation"] == 0.1
        assert longer["augment/flip"] == changes.get("augment/flip", "none")
        assert longer["augment/zoom"] == changes.get("augment/zoom", 0.0)
        assert recipes.lengthened(longer, preset(name), num_epochs=num_epochs) == longer


def test_a_long_training_changes_pictures_as_an_equal_does_that_is_otherwise_the_same() -> None:
    search_space = declared()
    plain = search_space.default({"family": "conv", "augment": False, "mirror": False})
    flipped = search_space.default({"family": "conv", "augment": True, "augment/flip": "horizontal", "mirror": True})
    other = search_space.default({**flipped, "augment/zoom": 0.1, "conv/activation": "gelu"})
    equals = [plain, other, flipped]
    assert recipes.lengthened(plain, preset("default"), num_epochs=40, equals=equals) == {
        **flipped,
        "augment/translation": 0.1,
    }
    assert recipes.lengthened(plain, preset("default"), num_epochs=10, equals=equals) == plain


def test_what_is_not_moved_further() -> None:
    search_space = declared("wide")
    linear = {**search_space.default({"family": "conv"}), "conv/num_blocks": 0}
    moved = search_space.default({"family": "conv", "augment": True, "augment/translation": 0.2})
    frozen = search_space.default({"family": "pretrained"})
    for genome in (linear, moved, frozen):
        assert recipes.lengthened(genome, preset("wide"), num_epochs=40) == genome
    still = dataclasses.replace(preset("default"), augment=(False,))
    assert recipes.lengthened({**moved, "augment/translation": 0.0}, still, num_epochs=40)["augment/translation"] == 0


def test_a_genome_has_others_on_smaller_pictures() -> None:
    options = {"image_size": 32, "num_pictures": 1000, "alphas": ALPHAS}
    hyperparameters = genes.declare(preset("default"), **options)
    search_space = SearchSpace.from_hyperparameters(hyperparameters)
    frozen, conv = search_space.default({"family": "pretrained"}), search_space.default({"family": "conv"})
    smaller = recipes.on_smaller_pictures(frozen, hyperparameters)
    assert [one["pretrained/image_size"] for one in smaller] == [192, 160, 128, 96]
    assert all({**one, "pretrained/image_size": 224} == frozen for one in smaller)
    large = recipes.on_smaller_pictures({**frozen, "pretrained/image_size": 288}, hyperparameters)
    assert [one["pretrained/image_size"] for one in large] == [256, 224]
    both_sides = search_space.default({**frozen, "augment": True, "augment/flip": "horizontal", "mirror": True})
    for size, expected in (
        (288, [(256, True), (288, False), (224, True), (256, False)]),
        (224, [(192, True), (224, False), (160, True), (192, False)]),
    ):
        found = recipes.on_smaller_pictures({**both_sides, "pretrained/image_size": size}, hyperparameters)
        assert [(one["pretrained/image_size"], one["mirror"]) for one in found] == expected
        assert all(one["augment"] is one["mirror"] for one in found)
    sizes = [one["conv/image_size"] for one in recipes.on_smaller_pictures(conv, hyperparameters)]
    assert conv["conv/image_size"] == 32 and sizes == [24, 16, 8]
    fixed = dataclasses.replace(preset("default"), pretrained_image_sizes=(224,))
    assert recipes.on_smaller_pictures(frozen, genes.declare(fixed, **options)) == []
