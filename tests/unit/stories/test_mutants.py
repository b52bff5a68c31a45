"""The bugs of tests/mutants can still be put in; `make mutants` tells how soon each is found."""

from __future__ import annotations

import subprocess

import pytest

from tests.mutants.run import PATCHES, ROOT, main, names


def test_there_are_ten_of_each_kind():
    kinds = [name.partition("-")[0] for name in names()]
    assert (kinds.count("peer"), kinds.count("case")) == (10, 10)


@pytest.mark.parametrize("name", names())
def test_each_patch_applies(name):
    patch = (PATCHES / f"{name}.patch").read_bytes()
    command = ["patch", "-p1", "--dry-run", "--force", "--fuzz=0"]
    done = subprocess.run(command, cwd=ROOT, input=patch, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_a_name_that_no_bug_has_is_told_in_one_sentence(capsys):
    assert main(["case-99", names()[0]]) == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("no bug is called case-99: there are case-01-")
