"""`surefoot verdict`: tell a pipeline whether it may go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.errors import ASK_AGAIN, DONE, STOPPED
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rollout.decide.state.rollout import RolloutState
    from rollout.explain.permission import Goal
    from rollout.journal.backwards import StoredJournal

_EXIT_CODES = {"go": DONE, "stop": STOPPED, "wait": ASK_AGAIN}


@click.command(
    epilog="""\b
Examples:
  surefoot verdict discharge-summarizer-v3 && ./next-step
  surefoot verdict discharge-summarizer-v3 --for promotion --json | jq -r .why

\b
Exit codes: 0 go, 4 stop (it is, or is to be, rolled back; or its observation has ended
without a proof), 75 wait and ask again; 1 failed, 2 bad input.""",
)
@click.argument("name")
@journal_option(READ)
@click.option(
    "--for",
    "goal",
    type=click.Choice(["step", "promotion"], case_sensitive=False),
    default="step",
    show_default=True,
    help="More weight for the canary, or all of it for good.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON object.")
def verdict(name: str, journal: JournalLocation | None, goal: Goal, *, as_json: bool) -> None:
    """Say whether the newest rollout of NAME (a plan's name or an id) may go on: go, wait or stop.

    It reads the journal and changes nothing. For a step every guardrail needs fresh data and a
    distance from harm; for a promotion each has to be proven safe.
    """
    from rollout.explain.entry import clean
    from rollout.explain.permission import give_permission
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading
    from rollout.wire.clock import SystemClock

    rollout, state = _load_newest(open_for_reading(journal or default_path()), name)
    permission = give_permission(rollout, state, goal, SystemClock().now())
    text = json.dumps(permission.as_json(), ensure_ascii=False)
    line = f"{permission.answer}: {clean(permission.why)}"
    click.echo(text if as_json else line)
    raise SystemExit(_EXIT_CODES[permission.answer])


def _load_newest(journal: StoredJournal, name: str) -> tuple[str, RolloutState]:
    """Return the newest rollout of a name with its state; no entry from before it is read.

    Raises InputError for an unknown name, JournalError.
    """
    from rollout.journal.backwards import find_newest_start, scan_after
    from rollout.journal.index import matching, names
    from rollout.tick.fleet import Fleet

    first, plan_names = find_newest_start(journal, name)
    matching(plan_names, name)
    fleet = Fleet()
    begun = names(fleet.read_from(first, scan_after(journal, first - 1)))
    rollout = matching(begun, name)[-1]
    return rollout, fleet.load_evidence(rollout, journal)
