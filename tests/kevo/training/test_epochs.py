"""How often an epoch goes through the examples."""

import pytest

from kevo.training.epochs import num_passes


@pytest.mark.parametrize("num_examples", [1, 20, 300, 1000, 1023])
def test_an_epoch_of_few_examples_takes_in_a_thousand(num_examples: int) -> None:
    passes = num_passes(num_examples)
    assert (passes - 1) * num_examples < 1024 <= passes * num_examples


@pytest.mark.parametrize("num_examples", [1024, 5000, 10**7])
def test_an_epoch_of_many_goes_through_them_once(num_examples: int) -> None:
    assert num_passes(num_examples) == 1
