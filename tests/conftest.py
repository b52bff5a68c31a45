"""The servers that live tests and contracts share."""

import signal

import pytest

from tests.live.kube import kube
from tests.live.postgres import postgres

# A shell that runs us in the background has us ignore Ctrl-C, and our children would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real kube-apiserver; it takes 5 seconds and is the same for all tests."""
    with kube(tmp_path_factory.mktemp("kube")) as running:
        yield running


@pytest.fixture
def namespace(cluster):
    """A namespace that no other test sees."""
    return cluster.new_namespace()


@pytest.fixture(scope="session")
def server():
    """A real PostgreSQL; it takes a second."""
    with postgres() as running:
        yield running
