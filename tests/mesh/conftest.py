"""One mesh for all tests of this folder."""

import socket

import pytest

from tests.mesh.world import world as started

_OF_THE_PODS = "10.244.0.1"


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A real mesh; it takes fifteen seconds."""
    with socket.socket() as listener:
        try:
            listener.bind((_OF_THE_PODS, 0))
        except OSError:
            pytest.fail(
                "the pods' addresses are not on this machine; this runs it right: make mesh"
            )
    with started(tmp_path_factory.mktemp("mesh")) as running:
        yield running
