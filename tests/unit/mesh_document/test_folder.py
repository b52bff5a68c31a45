"""A folder of files is written whole, and never over others."""

import pytest

from rollout.errors import InputError
from rollout.mesh_document.folder import write_folder

FILES = {"envoy.yaml": "a: 1\n", "plans/p.yaml": "b: 2\n", "plans/q.yaml": "c: 3\n"}


def written(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("is_there", [False, True])
def test_a_new_or_empty_folder_gets_every_file_and_nothing_stays_beside_it(tmp_path, is_there):
    folder = tmp_path / "a" / "mesh"
    if is_there:
        folder.mkdir(parents=True)
    write_folder(folder, FILES)
    assert written(folder) == FILES
    assert [*folder.parent.iterdir()] == [folder]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_what_is_there_is_never_written_over(tmp_path):
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "theirs").write_text("theirs")
    (tmp_path / "file").write_text("theirs")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("mesh", "file", "link", "dangling"):
        with pytest.raises(InputError, match="is there already: name a new folder"):
            write_folder(tmp_path / name, FILES)
    assert written(tmp_path) == {"mesh/theirs": "theirs", "file": "theirs"}


def test_a_file_that_cannot_be_written_leaves_no_folder(tmp_path):
    with pytest.raises(InputError, match="mesh cannot be written: File name too long"):
        write_folder(tmp_path / "mesh", {"a.yaml": "", "x" * 300: ""})
    assert [*tmp_path.iterdir()] == []
