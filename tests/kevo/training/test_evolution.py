"""How weights evolve, as genomes say it."""

from kevo.training.evolution import MOST_WEIGHTS, Evolution, num_passes, too_many


def test_a_genome_says_how_weights_evolve() -> None:
    genome = {"optimizer": "evolution", "evolution/spread": 0.1, "evolution/grow": True}
    assert Evolution.of(genome, done=0.5) == Evolution(0.1, is_grown=True, done=0.5)
    assert Evolution.of({"optimizer": "adam"}) is None


def test_too_many_weights_are_named() -> None:
    assert too_many(MOST_WEIGHTS) is None
    assert too_many(MOST_WEIGHTS + 1) == "more than the 5,000 weights that can be evolved"


def test_an_epoch_of_few_examples_goes_through_them_more_often() -> None:
    for num_examples in (10, 100, 1000, 100_000):
        steps = num_passes(num_examples, 32) * num_examples / 32
        assert steps >= 100 and num_passes(num_examples, 32) >= 4
    assert num_passes(100_000, 32) == 4
