"""`surefoot status` and `surefoot why`: show the state of rollouts, and explain one decision."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.cli.options.param_types import ALL, NEWEST, Quantity
from rollout.journal.entry_id import EntryId, find_chain, parse_id
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollout.journal.backwards import StoredJournal
    from rollout.ports import Entry
    from rollout.tick.fleet import Fleet

_ON_A_TERMINAL = 20  # rollouts


@click.command(
    epilog="""\b
Examples:
  surefoot status
  surefoot status -n 5
  surefoot status discharge-summarizer-v2 --json | jq .[0].phase""",
)
@click.argument("name", required=False)
@journal_option(READ)
@click.option(
    "-n",
    "--rollouts",
    "most",
    type=NEWEST,
    help="Only the newest N rollouts and older ones in progress, or `all`. A terminal gets "
    f"{_ON_A_TERMINAL} where no NAME is given, a pipe or a file all.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: a list of rollouts, newest last."
)
def status(
    name: str | None, journal: JournalLocation | None, *, most: int | None, as_json: bool
) -> None:
    """Show every rollout, or those of NAME: weight, evidence and the next step."""
    from rollout.explain.status import report
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading
    from rollout.wire.clock import SystemClock

    if most is None:
        most = ALL if name or as_json or not sys.stdout.isatty() else _ON_A_TERMINAL
    opened = open_for_reading(journal or default_path())
    fleet, rollouts = _load_newest(opened, name, most)
    now = SystemClock().now()
    reports = []
    for rollout in rollouts:
        state = fleet.load_evidence(rollout, opened)
        stable = fleet.stable(state.plan.metadata.namespace, state.plan.spec.service)
        reports.append(report(rollout, state, now, stable))
    if as_json:
        click.echo(json.dumps([status_report.as_json() for status_report in reports], indent=2))
        return
    from rollout.cli.console import CommandConsole
    from rollout.cli.text.screen import screen

    CommandConsole().print(screen(reports, []))


def _load_newest(
    journal: StoredJournal, name: str | None, most: int
) -> tuple[Fleet, Sequence[str]]:
    """Return the newest rollouts of a name, or of any, and the fleet that they are of.

    Older ones that are in progress come before them.

    Folding observations is the slow step, so their evidence is not loaded yet. What was not read,
    and so not verified, is told on stderr. Raises InputError for an unknown name, JournalError.
    """
    from rollout.journal.backwards import Span, find_newest_starts, scan_after
    from rollout.journal.index import matching
    from rollout.tick.fleet import Fleet

    fleet, first = Fleet(), 1
    if most:
        first, plan_names = find_newest_starts(journal, name, most)
        for _ in fleet.read_from(first, scan_after(journal, first - 1)):
            pass
    else:
        for _ in fleet.read(journal):
            pass
        plan_names = {rollout: state.plan.name for rollout, state in fleet.states.items()}
    if first > 1:
        span = Span(first, fleet.head, fleet.head)
        click.echo(f"surefoot: {span} (-n all shows older rollouts)", err=True)
    rollouts = matching(plan_names, name) if name else [*plan_names]
    newest = rollouts[-most:]
    in_progress = [r for r in rollouts[: -len(newest)] if not fleet.states[r].is_terminal]
    return fleet, [*in_progress, *newest]


@click.command(
    epilog="""\b
Examples:
  surefoot why 42
  surefoot why 42 --journal demo/journal.jsonl --json
  surefoot why 3f9c01ab77de.42

ID is the number in front of a decision in `surefoot log`, or CHAIN.NUMBER as `entry` in
`surefoot log --json` has it, which no other journal has.""",
)
@click.argument("number", metavar="ID", type=Quantity("ID", parse_id))
@journal_option(READ)
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def why(number: EntryId, journal: JournalLocation | None, *, as_json: bool) -> None:
    """Explain one decision: its numbers, what decides, the queries; and replay it.

    What is recorded comes first. Then the decision is computed again from the recorded counts. Exit
    code 9 if it comes out otherwise, which is no failure of the record where another version wrote
    it; 1 if the chain of the rollout's entries is broken. `surefoot verify` checks all others.
    """
    from rollout.errors import DECIDED_OTHERWISE, DONE
    from rollout.journal.backwards import read_story
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading

    opened = open_for_reading(journal or default_path())
    chain = find_chain(opened)
    number.check_chain(chain)
    story, verified = read_story(opened, number.number)
    if not as_json:
        _show_sentence(story, number.number)
        # Only now: to load plans takes a while, and the statistics take longer.
        from rollout.explain.decision.recorded import describe_recorded, format_recorded

        _, _, more = format_recorded(describe_recorded(story, number.number)).partition("\n")
        click.echo(more)
    from rollout.explain.decision.replayed import explain, format_replay

    explanation = explain(story, number.number)
    explanation["entry"] = str(EntryId(chain, number.number))
    explanation["verified"] = verified.as_json()
    again = f"{format_replay(explanation)}\nverified   {verified}"
    click.echo(json.dumps(explanation, indent=2) if as_json else again)
    raise SystemExit(DONE if explanation["replayed"] else DECIDED_OTHERWISE)


def _show_sentence(story: Sequence[Entry], number: int) -> None:
    """Print the sentence of a decision as it is recorded; nothing for another kind of entry."""
    from rollout.decide.record.facts import Decided
    from rollout.redact import redact_values

    for entry in story[-1:]:
        if entry.seq == number and isinstance(entry.fact, Decided):
            click.echo(redact_values(entry.fact.sentence))
