"""Real servers for the tests of this folder."""

import pytest

from tests.live.replicas import Replicas
from tests.live.turns import begin_turns
from tests.support.local_envoy import mesh


@pytest.fixture
def net(tmp_path):
    """A real Envoy before two toy versions."""
    with mesh(tmp_path / "envoy") as running:
        yield running


@pytest.fixture
def replicas(cluster, namespace, server, tmp_path):
    """A plan of a namespace, and the replicas that a test starts for it."""
    running = Replicas(cluster, namespace, server.new(), tmp_path)
    yield running
    for process in running.processes:
        process.stop()


@pytest.fixture
def turns(cluster, namespace, tmp_path, monkeypatch):
    """The example's service, whose versions take turns under an operator of this process."""
    return begin_turns(cluster, namespace, tmp_path, monkeypatch)
