"""The key of the journal's digests: made once, for us alone, refused where others can read it."""

import os
import stat

import pytest

from rollout.errors import InputError
from rollout.journal.key_file import default_key_file, open_key, read_key

KEY = b"0123456789abcdef0123456789abcdef"


def write(path, text=KEY, mode=0o600):
    path.write_bytes(text)
    path.chmod(mode)
    return path


def test_the_first_controller_makes_it_beside_the_journal_and_every_later_one_reads_it(tmp_path):
    journal = tmp_path / "new" / "journal.db"
    before = os.umask(0)
    try:
        key = open_key(journal)
    finally:
        os.umask(before)
    path = journal.with_name("journal.db.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_key(journal) == key == path.read_bytes().strip()
    assert len(key) >= 32
    assert open_key(tmp_path / "other.db") != key


def test_a_link_to_the_journal_leads_to_the_same_key(tmp_path):
    key = open_key(tmp_path / "journal.db")
    (tmp_path / "journal.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "journal.db")
    assert open_key(tmp_path / "link.db") == key


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_in_place_of_the_default_key_is_not_followed(tmp_path, is_there):
    target = tmp_path / "elsewhere"
    if is_there:
        write(target)
    (tmp_path / "journal.db.key").symlink_to(target)
    with pytest.raises(InputError, match="cannot be read"):
        open_key(tmp_path / "journal.db")
    assert target.exists() is is_there


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_of_ours_that_others_may_read_is_refused_with_the_cure(tmp_path, mode):
    path = write(tmp_path / "key", mode=mode)
    with pytest.raises(InputError, match=f"chmod 600 {path}"):
        read_key(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_others_such_as_a_mounted_secret_is_read_through_its_links(tmp_path):
    path = write(tmp_path / "data", KEY + b"\n", mode=0o444)
    os.chown(path, 12345, 12345)
    (tmp_path / "key").symlink_to(path)
    assert open_key("postgresql://surefoot@db/surefoot", tmp_path / "key") == KEY


@pytest.mark.parametrize("text", [b"", b"short", KEY[:31] + b"\n"])
def test_a_key_that_is_too_short_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="shorter than 32"):
        read_key(write(tmp_path / "key", text))


def test_what_is_no_file_and_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="is no file"):
        read_key(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        open_key(tmp_path / "journal.db", tmp_path / "key")
    assert not (tmp_path / "key").exists()  # a name that is wrong makes no key


def test_a_folder_that_cannot_hold_it_is_said_with_the_option(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--key-file"):
        open_key(tmp_path / "file" / "journal.db")


def test_the_key_for_a_database_is_in_the_user_s_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = default_key_file("postgresql://surefoot@db/surefoot")
    assert path == tmp_path / "surefoot" / "series.key"
    assert len(open_key("postgresql://surefoot@db/surefoot")) >= 32
    assert path.exists()
