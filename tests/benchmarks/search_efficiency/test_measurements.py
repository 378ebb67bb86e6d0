import numpy as np

from tests.benchmarks.search_efficiency.samples import row


def test_regret_after_so_many_epochs() -> None:
    one = row(0, (12, 3.0), (36, 1.0))
    assert np.isnan(one.regret(11))
    assert [one.regret(epochs) for epochs in (12, 35, 36, 200)] == [3.0, 3.0, 1.0, 1.0]
