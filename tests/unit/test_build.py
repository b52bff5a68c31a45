"""A build is told by its version and its code."""

import re

from rollout import __version__
from rollout.build import read_build


def test_a_build_is_a_version_and_a_digest():
    assert re.fullmatch(rf"{re.escape(__version__)}\+[0-9a-f]{{12}}", read_build())


def test_other_code_is_another_build(tmp_path, monkeypatch):
    import analysis

    (tmp_path / "__init__.py").write_text("")
    before = read_build.__wrapped__()
    monkeypatch.setattr(analysis, "__file__", str(tmp_path / "__init__.py"))
    one_module = read_build.__wrapped__()
    (tmp_path / "test.py").write_text("x = 1")
    assert len({before, one_module, read_build.__wrapped__()}) == 3
