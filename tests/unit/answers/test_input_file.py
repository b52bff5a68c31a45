"""A file that somebody names is read within bounds, and a pipe as far as somebody writes to it."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from rollout.answers.input_file import read_input

SHORT = 0.05  # seconds
LONG = 60.0


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_that_nobody_writes_to_is_an_error(pipe):
    with pytest.raises(OSError, match="nobody writes to this pipe"):
        read_input(pipe, 100, SHORT)


@pytest.mark.parametrize("content", [b"", b"spec:\n", b"x" * 200_000])
def test_a_pipe_is_read_as_far_as_it_is_written(pipe, content):
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert read_input(pipe, 1_000_000, LONG) == content
    writer.join()


def test_a_writer_that_takes_its_time_is_waited_for(pipe):
    """It is there when the patience for one is over, and has written nothing yet."""
    held = os.open(pipe, os.O_RDWR)
    results: list[bytes] = []
    reader = threading.Thread(target=lambda: results.append(read_input(pipe, 100, SHORT)))
    reader.start()
    reader.join(SHORT * 10)
    assert reader.is_alive()
    os.write(held, b"late")
    os.close(held)
    reader.join(LONG)
    assert results == [b"late"]


def test_what_a_shell_hands_over_is_read():
    """`<(command)` is the end of a pipe without a name."""
    reading, writing = os.pipe()
    os.write(writing, b"a: 1\n")
    os.close(writing)
    assert read_input(f"/dev/fd/{reading}", 100, SHORT) == b"a: 1\n"
    os.close(reading)


def test_a_device_without_an_end_is_cut_off():
    assert read_input("/dev/zero", 1_000) == bytes(1_001)


def test_a_folder_is_an_error(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_input(Path(tmp_path), 100)


@pytest.mark.skipif(not os.access("/proc/kmsg", os.R_OK), reason="only root may read it")
def test_a_file_that_waits_for_its_next_line_is_not_waited_for():
    with contextlib.suppress(OSError):  # nothing is there, or it is not ours to read
        read_input("/proc/kmsg", 10_000_000)
