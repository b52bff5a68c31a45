"""`surefoot status` and `surefoot why`: show the state of rollouts, and explain one decision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.cli.options.param_types import Quantity
from rollout.journal.entry_id import EntryId, find_chain, parse_id
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollout.decide.state.rollout import RolloutState
    from rollout.ports import Entry, Journal


@click.command(
    epilog="""\b
Examples:
  surefoot status
  surefoot status discharge-summarizer-v2 --json | jq .[0].phase""",
)
@click.argument("name", required=False)
@journal_option(READ)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: a list of rollouts, newest last."
)
def status(name: str | None, journal: JournalLocation | None, *, as_json: bool) -> None:
    """Show every rollout, or those of NAME: weight, evidence and the next step."""
    from rollout.explain.status import report, states_of
    from rollout.journal.location import default_path
    from rollout.journal.open import open_for_reading
    from rollout.wire.clock import SystemClock

    opened = open_for_reading(journal or default_path())
    states = states_of(opened.read()) if name is None else load_states_of_name(opened, name)
    now = SystemClock().now()
    reports = [
        report(rollout, state, now, states)
        for rollout, state in states.items()
        if name in {None, rollout, state.plan.name}
    ]
    if as_json:
        click.echo(json.dumps([status_report.as_json() for status_report in reports], indent=2))
        return
    from rollout.cli.console import CommandConsole
    from rollout.cli.text.screen import screen

    CommandConsole().print(screen(reports, []))


def load_states_of_name(journal: Journal, name: str) -> Mapping[str, RolloutState]:
    """Return every rollout's state, with the evidence of those of that name.

    Folding the observations is the slow step, so only the named rollouts get it. The others are
    needed for the recorded stable version of the service. Raises InputError for an unknown name.
    """
    from rollout.journal.index import matching
    from rollout.tick.fleet import fleet_of

    fleet = fleet_of(journal)
    names = {rollout: state.plan.name for rollout, state in fleet.states.items()}
    for rollout in matching(names, name):
        fleet.load_evidence(rollout, journal)
    return fleet.states


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

    Its sentence comes first, as soon as its entry is verified. The decision is computed again from
    the recorded counts. Exit code 9 if it comes out otherwise, which is no failure of the record
    where another version wrote it; 1 if the chain of the rollout's entries is broken. `surefoot
    verify` checks all others as well.
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
    # Only now: to load the statistics takes longer than all before.
    from rollout.explain.decision import explain, text

    explanation = explain(story, number.number)
    explanation["entry"] = str(EntryId(chain, number.number))
    explanation["verified"] = verified.as_json()
    _, _, more = text(explanation).partition("\n")
    click.echo(json.dumps(explanation, indent=2) if as_json else f"{more}\nverified   {verified}")
    raise SystemExit(DONE if explanation["replayed"] else DECIDED_OTHERWISE)


def _show_sentence(story: Sequence[Entry], number: int) -> None:
    """Print the sentence of a decision as it is recorded; nothing for another kind of entry."""
    from rollout.decide.record.facts import Decided
    from rollout.redact import redact_values

    for entry in story[-1:]:
        if entry.seq == number and isinstance(entry.fact, Decided):
            click.echo(redact_values(entry.fact.sentence))
