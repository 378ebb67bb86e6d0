"""Which columns a model needs."""

from pathlib import Path

import numpy as np
import pytest

from kevo.tasks.outputs.classes.evaluation import accuracy, cross_entropy
from kevo.tasks.tables.dataset import Inputs
from kevo.tasks.tables.importance import dumps, permutation_importance, read

JUDGES = {"score": accuracy, "loss": cross_entropy}


def table(num_rows: int) -> tuple[Inputs, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=num_rows)
    signal = np.array(["no", "yes"], object)[labels]
    return {"noise": rng.normal(size=(num_rows, 1)).astype(np.float32), "signal": signal[:, None]}, labels


def predict(columns: Inputs) -> np.ndarray:
    """Knows the signal by heart."""
    yes = np.where(columns["signal"][:, 0] == "yes", 0.9, 0.1)
    return np.stack([1 - yes, yes], axis=1)


def test_what_a_model_needs_comes_first() -> None:
    columns, labels = table(400)
    before = {name: values.copy() for name, values in columns.items()}
    signal, noise = permutation_importance(predict, columns, labels, **JUDGES)
    assert (signal.column, noise.column) == ("signal", "noise")
    assert signal.score == pytest.approx(0.5, abs=0.05)
    assert signal.loss == pytest.approx(0.5 * np.log(9), rel=0.1)
    assert signal.deviation > 0
    assert (noise.score, noise.loss, noise.deviation) == pytest.approx((0, 0, 0))
    assert all((columns[name] == before[name]).all() for name in columns)


def test_the_seed_decides() -> None:
    found = [permutation_importance(predict, *table(100), **JUDGES, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(("num_columns", "num_passes"), [(2, 1 + 2 * 5), (1000, 1 + 1000)])
def test_large_tables_are_measured_by_less(num_columns: int, num_passes: int) -> None:
    found, labels = table(5000)
    seen: list[int] = []
    columns = {**found, **{str(number): found["noise"] for number in range(num_columns - 2)}}
    permutation_importance(lambda one: seen.append(len(one["noise"])) or predict(one), columns, labels, **JUDGES)
    assert seen == [1000] * num_passes


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    columns, labels = table(50)
    found = permutation_importance(predict, {"größe\n": columns["noise"], **columns}, labels, **JUDGES)
    (tmp_path / "found.json").write_text(dumps(found))
    assert read(tmp_path / "found.json") == found


NO_NUMBER = '[{"column": "a", "score": NaN, "loss": 0, "deviation": 0}]'


@pytest.mark.parametrize("content", ["", "[" * 100_000, "7", "[{}]", NO_NUMBER])
def test_a_damaged_file_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "found.json").write_text(content)
    assert read(tmp_path / "found.json") == read(tmp_path / "nowhere.json") == []
