"""How the candidates of a search are bred."""

import pytest

from kevo.engine.oracle import breeding
from kevo.settings import Settings
from tuners.settings import Settings as EvolutionSettings


def test_a_search_is_bred_as_its_settings_say() -> None:
    assert breeding(Settings(max_trials=3, population=5)) == EvolutionSettings(
        population_size=5, kinds=Settings().kind.rung_genes
    )
    found = breeding(Settings(max_time=60, population=2, num_rungs=2, epochs=9, minimize=("params",)))
    assert (found.per_second, found.num_elites, found.rungs, found.weights) == (True, 1, (3, 9), ())


def test_a_preset_is_bred_as_its_source_does() -> None:
    settings = Settings(space="nasgp", minimize=("params",), population=100)
    assert settings.kind.name == "segmentation"
    found = breeding(settings)
    assert (found.survival, found.surrogate, found.num_elites) == ("generational", False, 1)
    assert (found.crossover_rate, found.tournament_size, found.population_size) == (0.5, 7, 100)

    def fitness(dice: float, num_parameters: int) -> float:
        # Tuners take what is minimized with its sign turned.
        return found.weights[0] * dice - found.weights[1] * num_parameters

    def of_the_paper(dice: float, num_parameters: int) -> float:
        return 0.99 * dice + 0.01 * (31_038_000 - num_parameters) / 31_038_000

    small, large = (0.78, 100_000), (0.7805, 3_000_000)
    assert fitness(*large) - fitness(*small) == pytest.approx(of_the_paper(*large) - of_the_paper(*small))
    assert fitness(*large) < fitness(*small)
    # Without a second objective there is nothing to weigh, and with another one no weight for it.
    assert breeding(Settings(space="nasgp")).weights == ()
    assert breeding(Settings(space="nasgp", minimize=("flops",))).weights == ()


def test_a_space_of_the_users_own_is_bred_in_the_ordinary_way() -> None:
    space = Settings(space="nasgp", task="segmentation").kind.space("nasgp")
    assert breeding(Settings(task="segmentation", space=space)).survival == EvolutionSettings().survival
