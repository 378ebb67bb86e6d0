"""What several tests of the service start with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.serve_process import Process, servers


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `kevo serve` in the folder of the test, with options."""
    with servers(tmp_path) as starting:
        yield starting
