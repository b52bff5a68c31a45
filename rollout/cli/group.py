"""A click group that imports only the called command and turns errors into exit codes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import IO, Any, NamedTuple

import click

from rollout.cli import streams
from rollout.errors import INTERRUPTED, InputError, PlanError, SurefootError


class CommandEntry(NamedTuple):
    """One command: its target as `module:attribute`, and its line in the help."""

    target: str
    summary: str


class Refusal(click.ClickException):
    """An expected error, shown as a message with an exit code and without a traceback."""

    def __init__(self, error: SurefootError) -> None:
        super().__init__(str(error))
        self.error = error

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click has it per class, we per error
        return self.error.exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        if isinstance(self.error, PlanError):
            from rollout.cli.text.plan_errors import explain  # only plan errors need this import

            click.echo(explain(self.error.mistakes), file=file, err=True)
        else:
            click.echo(f"surefoot: {self.message}", file=file, err=True)


def _describe_outside_error(error: OSError | UnicodeError) -> Refusal:
    """Describe an error of a file, a stream or an address that the user named.

    What a command can explain better, it raises as a SurefootError; this is the one place for
    everything else.
    """
    if isinstance(error, UnicodeDecodeError):
        return Refusal(InputError("the input is not a text in UTF-8"))
    if not isinstance(error, OSError):
        return Refusal(InputError(f"a text cannot be read or written: {error}"))
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return Refusal(InputError(f"{os.fsdecode(error.filename)}: {reason}"))
    return Refusal(SurefootError(f"the operating system reports: {reason}"))


class LazyGroup(click.Group):
    """A group with commands from a table.

    Help and spelling hints come from the table too, so they import no command.
    """

    def __init__(self, *args: Any, entries: Mapping[str, CommandEntry], **options: Any) -> None:
        super().__init__(*args, **options)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        """Return the commands in the order of the table, in which a new user needs them."""
        return [*self.entries]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click passes it
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in self.entries:
            return None
        module, attribute = self.entries[cmd_name].target.split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.entries and not name.startswith("-"):
            matches = get_close_matches(name, self.entries, n=1)
            hint = f" Did you mean {matches[0]!r}?" if matches else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click passes it
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except SurefootError as error:
            raise Refusal(error) from error
        except (OSError, UnicodeError) as error:
            if isinstance(error, BrokenPipeError):  # nobody is there to read a message
                streams.abandon()
                ctx.exit(streams.READER_LEFT)
            raise _describe_outside_error(error) from error
        # click exits with 1 on Ctrl-C; scripts expect 130 and tell an interrupt from a failure.
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(INTERRUPTED)
