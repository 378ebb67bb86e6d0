from pathlib import Path

import numpy as np
import pytest

from benchmarks.search_efficiency import searches
from benchmarks.search_efficiency.searchers import SEARCHERS
from benchmarks.search_efficiency.searches import Problem, aging_evolution, declare, local_search
from tests.benchmarks.search_efficiency.samples import SMALL, count_up


@pytest.mark.parametrize("name", ["kevo", "random", "hyperband"])
def test_oracles_leave_nothing_behind_and_print_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(searches, "_MEMORY", tmp_path)
    search = SEARCHERS[name].start(Problem(num_values=(2,) * 6, rungs=(1, 4), budget=40), 0)
    next(search)
    assert len(list(tmp_path.rglob("trial.json"))) == 1
    search.send(1.0)
    search.close()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_space_is_one_of_words() -> None:
    hp = declare((3, 2))
    assert [type(choice.default) for choice in hp.space] == [str, str]
    assert [choice.values for choice in hp.space] == [["0", "1", "2"], ["0", "1"]]


def test_local_search_climbs_and_starts_anew() -> None:
    asked = [training.genome for training in count_up(local_search(SMALL, 0), 64)]
    assert len(set(asked)) == 64
    # From any genome, 6 bits are right after at most 6 climbs of at most 6 looks each.
    assert (1,) * 6 in asked[:37]
    with pytest.raises(StopIteration):
        search = local_search(Problem((2,), (1,), 3), 0)
        next(search)
        for _ in range(3):
            search.send(0.0)


def test_aging_evolution_mutates_one_gene_of_the_young() -> None:
    asked = [
        training.genome for training in count_up(aging_evolution(SMALL, 0, population_size=10, sample_size=5), 300)
    ]
    for number, child in enumerate(asked[10:], start=10):
        distances = [sum(a != b for a, b in zip(child, one, strict=True)) for one in asked[number - 10 : number]]
        assert 1 in distances
    assert np.mean(asked[-100:]) > 0.7
