import numpy as np
import pytest

from benchmarks.search_efficiency.protocols import PROTOCOLS
from benchmarks.support.project import DATA
from tests.benchmarks.search_efficiency.samples import need


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_builds(name: str) -> None:
    protocol = PROTOCOLS[name]
    if protocol.table:
        need(protocol.table)
    landscape = protocol.build(DATA, 1)
    assert landscape.regret.min() == 0
    assert {len(seen) for seen in landscape.seen.values()} == {len(landscape.regret)}
    assert len(landscape.regret) == np.prod(landscape.num_values)
    assert all(landscape.regret[landscape.index(genome)] > 0 for genome in landscape.references.values())
