"""What a rollback puts out of its way is kept, whatever lies in the route file's place."""

import os
from pathlib import Path

import pytest

from rollout.errors import RouteError
from rollout.route.envoy.watched import load, set_aside


def make_pipe(path):
    os.mkfifo(path)


def make_device(path):
    path.symlink_to("/dev/zero")


def make_large(path):
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse: it takes no room


@pytest.mark.parametrize("make", [make_pipe, make_device, make_large, Path.mkdir])
def test_what_has_no_end_is_kept_by_moving_it(make, tmp_path):
    path = tmp_path / "rds.json"
    make(path)
    (tmp_path / "rds.json.unusable").symlink_to(tmp_path / "nowhere")
    before = path.lstat()
    assert set_aside(path) == "rds.json.unusable-2"
    after = (tmp_path / "rds.json.unusable-2").lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert not os.path.lexists(path)


def test_what_is_kept_is_a_file_of_its_own_and_there_once(tmp_path):
    path, victim = tmp_path / "rds.json", tmp_path / "victim"
    path.write_bytes(b"no route file")
    path.chmod(0o640)
    victim.write_bytes(b"no route file")
    (tmp_path / "rds.json.unusable").symlink_to(victim)
    (tmp_path / "rds.json.unusable-2").symlink_to(tmp_path / "nowhere")
    for _ in range(2):
        assert set_aside(path) == "rds.json.unusable-3"
    kept_file = tmp_path / "rds.json.unusable-3"
    assert kept_file.read_bytes() == path.read_bytes() == b"no route file"
    assert kept_file.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("make", [make_pipe, make_device, make_large, Path.mkdir])
def test_nor_is_it_read_as_a_route_file(make, tmp_path):
    make(tmp_path / "rds.json")
    with pytest.raises(RouteError, match=r"no file|more than 64 MB"):
        load(tmp_path / "rds.json")
