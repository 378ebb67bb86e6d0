import numpy as np
import pytest

from benchmarks.search_efficiency.landscapes import CELLS, MACRO, Genome, Landscape, cells, macro, nk, trap
from benchmarks.support.project import DATA
from tests.benchmarks.search_efficiency.samples import need


def genomes(landscape: Landscape) -> list[Genome]:
    return list(np.ndindex(landscape.num_values))


def test_trap_by_hand() -> None:
    landscape = trap(seed=3, num_blocks=1)
    (best,) = (genome for genome in genomes(landscape) if landscape.regret[landscape.index(genome)] == 0)
    worth = {0: 2.0, 1: 1.0, 2: 0.0, 3: 3.0}
    for genome in genomes(landscape):
        num_right = sum(one == other for one, other in zip(genome, best, strict=True))
        assert landscape.seen[1][landscape.index(genome)] == worth[num_right]
        assert landscape.regret[landscape.index(genome)] == 3 - worth[num_right]


def test_trap_adds_its_blocks_up() -> None:
    landscape = trap(seed=0)
    assert landscape.seen[1].max() == 12
    # Of 8 patterns a block has one that is best, and one that is worth 2.
    assert (landscape.regret == 0).sum() == 1
    assert (landscape.regret == 1).sum() == 4


def test_the_best_is_drawn_anew_for_each_seed() -> None:
    assert len({int(trap(seed=seed).regret.argmin()) for seed in range(10)}) == 10
    assert len({int(nk(seed=seed).regret.argmin()) for seed in range(10)}) == 10


def test_nk_without_neighbors_is_a_sum_over_genes() -> None:
    landscape = nk(seed=1, num_genes=4, num_neighbors=0)
    seen = landscape.seen[1].reshape(3, 3, 3, 3)
    steps = [seen[1, 0, 0, 0] - seen[0, 0, 0, 0], seen[1, 2, 1, 0] - seen[0, 2, 1, 0]]
    assert steps[0] == pytest.approx(steps[1])
    assert landscape.regret.min() == 0
    assert landscape.regret.std() == pytest.approx(1)


def test_nk_with_neighbors_is_rugged() -> None:
    def num_peaks(landscape: Landscape) -> int:
        seen = landscape.seen[1].reshape(landscape.num_values)
        peaks = np.ones(seen.shape, bool)
        for gene in range(seen.ndim):
            peaks &= seen == seen.max(axis=gene, keepdims=True)
        return int(peaks.sum())

    assert num_peaks(nk(seed=0, num_neighbors=0)) == 1
    assert num_peaks(nk(seed=0, num_neighbors=2)) > 5


def test_macro_table() -> None:
    need(MACRO)
    exact, noisy = macro(DATA), macro(DATA, column=1)
    # As the paper's own table has it.
    assert exact.seen[1].max() == pytest.approx(93.127, abs=1e-3)
    assert exact.regret.min() == 0
    assert exact.regret.max() == pytest.approx(47.763, abs=1e-3)
    assert exact.seen[1][exact.index((0,) * 8)] == pytest.approx(45.363, abs=1e-3)
    assert exact.seen[1][exact.index((0,) * 7 + (1,))] == pytest.approx(64.223, abs=1e-3)
    np.testing.assert_array_equal(exact.regret, noisy.regret)
    assert 0 < np.abs(noisy.seen[1] - exact.seen[1]).mean() < 0.5


def test_cells_table() -> None:
    need(CELLS)
    landscape = cells(DATA, rungs=(12, 200))
    assert landscape.rungs == (12, 200)
    assert landscape.seen[200].max() == pytest.approx(94.373, abs=1e-3)
    largest = landscape.index(landscape.references["the largest network"])
    assert landscape.seen[200][largest] == pytest.approx(93.76, abs=1e-3)
    assert landscape.seen[12][largest] == pytest.approx(69.078, abs=1e-3)
    assert landscape.seen[200][landscape.index((0, 3, 4, 2, 1, 3))] != landscape.seen[200][largest]
