"""Commands that are only handed odd things need no charts."""

from __future__ import annotations

import pytest

from tests.support.undrawn import leave_charts_out

_UNDRAWN = ("test_hands", "test_links", "test_passwords")


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.module.__name__.rpartition(".")[2] in _UNDRAWN:
        leave_charts_out(monkeypatch)
