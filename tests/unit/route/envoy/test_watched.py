"""The file that Envoy watches, and what a power cut leaves of it."""

from __future__ import annotations

import os
from pathlib import Path

from rollout.route.envoy import watched


def test_the_new_file_is_on_disk_before_it_takes_the_old_one_s_place(tmp_path, monkeypatch):
    file, order = tmp_path / "rds.json", []
    file.write_text("{}")
    fsync, replace = os.fsync, Path.replace

    def flushed(handle):
        order.append(("flushed", os.fstat(handle).st_size))
        fsync(handle)

    def replaced(path, target):
        order.append(("replaced", path.stat().st_size))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", replaced)
    watched.replace(file, {"resources": []})
    size = file.stat().st_size
    assert order[:2] == [("flushed", size), ("replaced", size)]
    assert watched.load(file) == {"resources": []}
