"""The command line of Surefoot: a table of commands, each imported only when it is called.

The table keeps `surefoot --help` fast, because no command is imported for it. The folders group
the commands: `author` for writing plans, `run` for running a controller, `inspect` for reading and
`act` for commands to a rollout. `text` has what commands print, `options` has shared options.
"""

from __future__ import annotations

import os
import sys

import click

from rollout import __version__
from rollout.cli import streams
from rollout.cli.group import CommandEntry, LazyGroup
from rollout.errors import FAILED

COMMANDS = {
    "demo": CommandEntry(
        "rollout.cli.run.demo:demo", "See it work on this machine: one good and one bad rollout."
    ),
    "init": CommandEntry("rollout.cli.author.init:init", "Draft a plan for a running service."),
    "check": CommandEntry(
        "rollout.cli.author.check:check", "Find every mistake in plans; change nothing."
    ),
    "schema": CommandEntry(
        "rollout.cli.author.schema:schema", "Print the JSON Schema of plans, for editors."
    ),
    "completion": CommandEntry(
        "rollout.cli.author.completion:completion", "Let the shell complete commands and options."
    ),
    "templates": CommandEntry(
        "rollout.cli.author.templates:templates", "List metric templates, or show one to copy."
    ),
    "mesh": CommandEntry(
        "rollout.cli.author.mesh:mesh", "Check, compile and compare a platform's mesh documents."
    ),
    "rehearse": CommandEntry(
        "rollout.cli.author.rehearse:rehearse", "Simulate a plan before it runs."
    ),
    "simulate": CommandEntry(
        "rollout.cli.author.simulate:simulate",
        "Prove what Surefoot promises, in a simulated world that breaks.",
    ),
    "calibrate": CommandEntry(
        "rollout.cli.author.calibrate:calibrate",
        "Measure false rollbacks on the history of stable's pods.",
    ),
    "backtest": CommandEntry(
        "rollout.cli.author.backtest:backtest", "Decide on what Prometheus recorded of the past."
    ),
    "doctor": CommandEntry(
        "rollout.cli.inspect.doctor:doctor", "Check what plans need, and print what to fix."
    ),
    "run": CommandEntry(
        "rollout.cli.run.run:run", "Run plans until each is promoted or rolled back."
    ),
    "operate": CommandEntry(
        "rollout.cli.run.operate:operate", "Run the plans of a cluster until stopped."
    ),
    "status": CommandEntry(
        "rollout.cli.inspect.status:status", "Show every rollout: weight, evidence, next step."
    ),
    "watch": CommandEntry(
        "rollout.cli.inspect.watch:watch", "Follow the rollouts on one live screen."
    ),
    "serve": CommandEntry(
        "rollout.cli.inspect.serve:serve", "Show rollouts and decisions as a web page."
    ),
    "site": CommandEntry("rollout.cli.inspect.serve:site", "Write the web page as files."),
    "diff": CommandEntry(
        "rollout.cli.inspect.diff:diff", "Say what differs between two plans, of rollouts or files."
    ),
    "report": CommandEntry(
        "rollout.cli.inspect.report:report", "Write a report of a rollout: one HTML file."
    ),
    "notebooks": CommandEntry(
        "rollout.cli.inspect.report:notebooks", "Copy the analysts' notebooks to a folder."
    ),
    "verdict": CommandEntry(
        "rollout.cli.inspect.verdict:verdict", "Say whether a pipeline may go on: go, wait or stop."
    ),
    "wait": CommandEntry(
        "rollout.cli.inspect.wait:wait", "Wait for a rollout's end; the exit code tells which."
    ),
    "log": CommandEntry(
        "rollout.cli.inspect.log:log", "Print the decision log, one sentence per fact."
    ),
    "why": CommandEntry("rollout.cli.inspect.status:why", "Explain one decision by its numbers."),
    "verify": CommandEntry(
        "rollout.cli.inspect.verify:verify", "Check that a journal is whole, and decide it again."
    ),
    "checkpoint": CommandEntry(
        "rollout.cli.inspect.checkpoint:checkpoint",
        "Sign a journal's entries, to be verified later.",
    ),
    "export": CommandEntry(
        "rollout.cli.inspect.export:export", "Seal a range of a journal, or prove one entry."
    ),
    "pause": CommandEntry(
        "rollout.cli.act.command:pause", "Hold the weight of a rollout; harm still rolls back."
    ),
    "resume": CommandEntry("rollout.cli.act.command:resume", "Continue a paused rollout."),
    "promote": CommandEntry(
        "rollout.cli.act.command:promote", "Send all traffic to the canary, whatever the evidence."
    ),
    "abort": CommandEntry(
        "rollout.cli.act.command:abort", "Send all traffic back to stable and end the rollout."
    ),
    "undo": CommandEntry(
        "rollout.cli.act.again:undo", "Take a promotion back: all traffic to the old version."
    ),
    "confirm": CommandEntry(
        "rollout.cli.act.again:confirm", "Say that traffic follows the last write of a rollout."
    ),
    "retry": CommandEntry(
        "rollout.cli.act.again:retry", "Start a plan again that was rolled back or undone."
    ),
    "remove": CommandEntry(
        "rollout.cli.act.remove:remove", "Delete the routing objects that a plan created."
    ),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    epilog="""\b
Examples:
  surefoot demo
  surefoot check plan.yaml
  surefoot rehearse plan.yaml
  surefoot run plan.yaml

Exit codes: 0 done, 1 failed, 2 bad input, 3 traffic does not follow, 130 interrupted,
141 nobody reads the output; more of `wait`, `verdict` and `verify` in their help.""",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="surefoot")
def surefoot() -> None:
    """Roll out model services step by step, with declared error rates.

    A plan in YAML says what moves and what must not get worse. Surefoot moves the traffic,
    watches, decides, and records every decision before it acts.
    """


def main() -> None:
    """Run the `surefoot` command; the console script calls this."""
    streams.prepare()
    # Pydantic would look for plug-ins in every installed package, and we want none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        surefoot(standalone_mode=True)
    except SystemExit as end:
        sys.exit(_finish(end.code))
    except BrokenPipeError:
        streams.abandon()
        sys.exit(streams.READER_LEFT)


def _finish(code: int | str | None) -> int | str | None:
    """Write out what was printed, and return the exit code.

    Python would do it after this, where an error is a traceback of nobody's code.
    """
    try:
        streams.flush()
    except BrokenPipeError:
        streams.abandon()
        return streams.READER_LEFT
    except OSError as error:
        streams.abandon()
        click.echo(f"surefoot: the output cannot be written: {error.strerror}", err=True)
        streams.abandon()
        return FAILED
    return code
