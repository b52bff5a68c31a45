"""Reports without their charts, which take most of their time and have tests of their own."""

from __future__ import annotations

import pytest

from rollout.experiment.report import render

BLANK = {"light": "data:,", "dark": "data:,"}


def leave_charts_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reports have empty pictures in place of charts."""
    monkeypatch.setattr(render, "_draw", lambda *_: BLANK)
