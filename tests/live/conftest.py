"""Real servers for the tests of this folder."""

import pytest

from tests.mesh import mesh


@pytest.fixture
def net(tmp_path):
    """A real Envoy before two toy versions."""
    with mesh(tmp_path / "envoy") as running:
        yield running
