"""What each part of a conv stack is worth: the changes, and the report."""

import pytest

from benchmarks.conv_parts.measuring import CHANGES, Measurement
from benchmarks.conv_parts.report import report
from kevo.tasks.images import networks, recipes
from kevo.tasks.images.space import preset
from tests.support.outputs import classes
from tests.support.search_spaces import declared


def measured(change: str, validation: float, seed: int = 0, **changes: object) -> Measurement:
    values = {"epochs": 8, "test": 0.5, "num_parameters": 1000, "cpu_seconds": 10.0, **changes}
    return Measurement(
        change=change,
        validation=validation,
        seed=seed,
        flops=1e9,
        peak=1e9,
        machine="2 cores",
        **values,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_makes_another_network_or_training(change: str) -> None:
    recipe = declared(image_size=32).default(recipes.recipe(preset("default"), image_size=32))
    changed = {**recipe, **CHANGES[change]}
    assert (changed == recipe) == (change == "the recipe")
    assert networks.conv_network(changed, output=classes(10)).output.shape == (None, 10)


def test_gains_are_those_over_the_recipe_with_the_same_seed() -> None:
    rows = [
        *(measured("the recipe", validation, seed) for seed, validation in enumerate((0.5, 0.6))),
        *(
            measured("squeeze and excite", validation, seed, cpu_seconds=20.0)
            for seed, validation in ((0, 0.6), (1, 0.65), (2, 0.9))
        ),
    ]
    *_, last, _, machine = report(rows).strip().splitlines()
    assert last == "| squeeze and excite | 1,000 | 2 | 0.625 | +0.075 (+0.050 to +0.100) | 0.500 | 2.00 | 5% |"
    assert machine == "Machine: 2 cores."
