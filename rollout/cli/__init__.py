"""The command line of Surefoot: a table of commands, each imported only when it is called.

The table keeps `surefoot --help` fast, because no command is imported for it. The folders group
the commands: `author` for writing plans, `run` for running a controller, `inspect` for reading and
`act` for commands to a rollout. `text` has what commands print, `options` has shared options.
"""

from __future__ import annotations

import click

from rollout import __version__
from rollout.cli.group import CommandEntry, LazyGroup

COMMANDS = {
    "demo": CommandEntry(
        "rollout.cli.run.demo:demo", "See it work: one good and one bad rollout, here."
    ),
    "check": CommandEntry(
        "rollout.cli.author.check:check", "Find every mistake in plans; change nothing."
    ),
    "schema": CommandEntry(
        "rollout.cli.author.schema:schema", "Print the JSON Schema of plans, for editors."
    ),
    "rehearse": CommandEntry(
        "rollout.cli.author.rehearse:rehearse", "Simulate a plan before it runs."
    ),
    "calibrate": CommandEntry(
        "rollout.cli.author.calibrate:calibrate", "Measure false rollbacks on stable's own past."
    ),
    "doctor": CommandEntry(
        "rollout.cli.inspect.doctor:doctor", "Check what plans need, and say each cure."
    ),
    "run": CommandEntry("rollout.cli.run.run:run", "Carry out plans until each is decided."),
    "operate": CommandEntry(
        "rollout.cli.run.operate:operate", "Carry out the plans of a cluster, for ever."
    ),
    "status": CommandEntry(
        "rollout.cli.inspect.status:status", "Show every rollout: weight, evidence, what next."
    ),
    "watch": CommandEntry(
        "rollout.cli.inspect.watch:watch", "Follow the rollouts on one live screen."
    ),
    "log": CommandEntry(
        "rollout.cli.inspect.log:log", "Print the decision log, one sentence per fact."
    ),
    "why": CommandEntry("rollout.cli.inspect.status:why", "Explain one decision by its numbers."),
    "pause": CommandEntry(
        "rollout.cli.act.command:pause", "Stop a rollout's ascent; it can still roll back."
    ),
    "resume": CommandEntry("rollout.cli.act.command:resume", "Let a paused rollout go on."),
    "promote": CommandEntry(
        "rollout.cli.act.command:promote", "Promote a canary by a person's word."
    ),
    "abort": CommandEntry(
        "rollout.cli.act.command:abort", "Roll a canary back by a person's word."
    ),
    "undo": CommandEntry("rollout.cli.act.again:undo", "Take a promotion back by a person's word."),
    "retry": CommandEntry("rollout.cli.act.again:retry", "Try a plan that was rolled back anew."),
    "remove": CommandEntry(
        "rollout.cli.act.remove:remove", "Delete what a plan had made, and nothing else."
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

Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted.""",
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
    surefoot()
