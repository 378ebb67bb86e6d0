"""The genomes that a search for texts begins with."""

import pytest

from kevo.tasks.texts.initial_population import narrowest, seeds
from kevo.tasks.texts.space import PRESETS, Space, check_genome, declare
from tuners.genome import SearchSpace


@pytest.mark.parametrize("name", PRESETS)
def test_they_are_genomes_of_their_space(name: str) -> None:
    genes = SearchSpace.from_hyperparameters(declare(PRESETS[name], num_texts=1000))
    for changes in (*seeds(PRESETS[name]), *narrowest(PRESETS[name])):
        genome = genes.default(changes)
        check_genome(genome)
        assert genome["family"] == changes["family"]


def test_each_family_that_the_space_has_and_no_other() -> None:
    assert {genome["family"] for genome in seeds(Space())} == {"bag", "conv", "recurrent", "vectors"}
    assert [genome["family"] for genome in seeds(Space(families=("conv",)))] == ["conv"]
    assert [genome["family"] for genome in narrowest(Space())] == ["bag", "conv", "recurrent", "vectors"]
