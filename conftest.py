"""What all tests share, those in docstrings included."""

import importlib.util
import signal
from collections.abc import Iterator

import pytest

# Whoever starts tests in the background, or under `nohup`, has them ignore signals that some of them are about.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

SERVICE = ["kevo/service/*.py", "kevo/service/*/*.py", "tests/kevo/service/*.py", "tests/kevo/service/*/*.py"]
"""What needs the extra `serve`."""
RAY = ["tuners/execution/ray_pool.py"]
"""Modules whose examples need the extra `ray`. Files of tests skip by themselves where it is missing."""
HOOKS = ["tests/support/schema_hooks.py"]
"""Files that only schemathesis loads, in its own process: pytest cannot import them."""
collect_ignore_glob = [
    *HOOKS,
    *(SERVICE if importlib.util.find_spec("fastapi") is None else ()),
    *(RAY if importlib.util.find_spec("ray") is None else ()),
]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and no process that one starts, touches the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
