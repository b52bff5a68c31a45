"""Standard output and standard error as commands can rely on them, whatever the user handed over.

How it works: a stream that cannot hold a character gets another text for it, a closed stream
becomes one that swallows everything, and a reader that has left ends the command quietly. So no
command needs a `try` of its own around what it prints.
"""

from __future__ import annotations

import codecs
import os
import sys
from pathlib import Path

READER_LEFT = 141  # 128 + SIGPIPE, as shells report it
_HANDLER = "surefoot"
# What screens are drawn with; every other character becomes its escape of JSON.
_PLAIN = str.maketrans("█░·━│┃●→…─╭╮╰╯┏┓┗┛┡┩┳╇└┘┌┐", "#-.=||o>.-++++++++++++++++")


def prepare() -> None:
    """Make both streams take any text."""
    codecs.register_error(_HANDLER, _replace)
    null = Path(os.devnull)
    sys.stdin = sys.stdin or null.open(encoding="utf-8")
    sys.stdout = sys.stdout or null.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or null.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        # A test may put a stream of another kind in their place.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def flush() -> None:
    """Write out what both streams hold. Raises OSError, such as of a full disk."""
    sys.stdout.flush()
    sys.stderr.flush()


def abandon() -> None:
    """Swallow whatever is still to be written: nobody reads it, or nowhere takes it."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # The buffer is flushed again when the process ends, and that must not fail.
            os.dup2(null, stream.fileno())
    os.close(null)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return a text in place of characters that the stream's encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(map(_escape, text)), error.end


def _escape(character: str) -> str:
    if character.isascii():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
