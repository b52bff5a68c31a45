"""Only files on a disk are read: a pipe, a device or a kernel's file may be waited for for ever."""

import os
import pathlib

import pytest

from rollout.answers.input_file import read_input
from rollout.answers.plain_file import is_plain, open_text
from rollout.errors import InputError, JournalError
from rollout.journal.key_file import read_key
from rollout.journal.open import open_for_reading
from rollout.journal.segment import read_segment

KERNEL = pathlib.Path("/proc/self/stat")  # it calls itself a regular file


@pytest.fixture(params=["kernel", "pipe", "device", "folder"])
def odd(request, tmp_path):
    link = tmp_path / "link"
    if request.param == "pipe":
        os.mkfifo(tmp_path / "pipe")
    targets = {"kernel": KERNEL, "pipe": tmp_path / "pipe", "device": "/dev/zero", "folder": "/"}
    link.symlink_to(targets[request.param])
    return link


def test_what_is_on_a_disk_is_plain(tmp_path):
    file = tmp_path / "file"
    file.write_text("first\r\nsecond\n", encoding="utf-8")
    assert is_plain(file.stat())
    with open_text(file) as lines:
        assert [*lines] == ["first\r\n", "second\n"]


def test_what_is_not_is_refused_in_words(odd):
    assert not is_plain(odd.stat())
    with pytest.raises(OSError, match="no plain file"), open_text(odd):
        pass


@pytest.mark.parametrize("name", ["journal.db", "journal.jsonl"])
def test_no_journal_is_one(odd, tmp_path, name):
    journal = tmp_path / name
    journal.symlink_to(odd)
    with pytest.raises(JournalError):
        open_for_reading(journal).read()
    with pytest.raises(JournalError):
        read_segment(journal)


def test_no_key_is_one(odd):
    with pytest.raises(InputError):
        read_key(odd)


def test_a_kernel_s_file_is_no_input():
    with pytest.raises(OSError, match="no plain file"):
        read_input(KERNEL, 1000)
