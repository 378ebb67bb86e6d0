"""A Ray cluster of two nodes on this machine, with a token of its own."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
# Ray reads it once in each process.
_TOKEN = secrets.token_hex(32)


@contextmanager
def two_nodes() -> Iterator[Any]:
    """Yields a `ray.cluster_utils.Cluster` of two nodes with one core each; the environment names its token."""
    import ray
    from ray.cluster_utils import Cluster

    # Paths of sockets must be short.
    folder = tempfile.TemporaryDirectory(prefix="kevo", dir="/tmp", ignore_cleanup_errors=True)
    with pytest.MonkeyPatch.context() as patch, folder as temporary:
        # Another cluster may run beside this one: workers of both would share their files.
        patch.setenv("TMPDIR", temporary)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", _TOKEN)
        # Otherwise workers stand behind everything else that runs here.
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]))
        ray._raylet.Config.initialize("")
        node = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        try:
            cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            cluster.shutdown()
    ray._raylet.Config.initialize("")
