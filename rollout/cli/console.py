"""The console that screens are printed on."""

from __future__ import annotations

from rich.console import Console


class CommandConsole(Console):
    """A console that leaves it to `streams` how a command ends whose reader has left.

    The library would end the process by itself, with the code of a failure.
    """

    def on_broken_pipe(self) -> None:
        """Print nothing more. Raises BrokenPipeError."""
        self.quiet = True
        raise BrokenPipeError
