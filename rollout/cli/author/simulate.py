"""`surefoot simulate`: the production controller in a world that breaks, from one seed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from rollout.cli.options.progress import progress
from rollout.errors import DONE, FAILED, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollout.stories.campaign import Campaign
    from rollout.stories.story import SeededStory

MOST_EVENTS = 4
"""Events of the longest short stories."""

_MOST = 5_000  # stories of a campaign; another one begins at a later seed


@click.command(
    epilog="""\b
Examples:
  surefoot simulate --seed 1
  surefoot simulate --seed 1 --stories 1000
  surefoot simulate --short
  surefoot simulate --seed 7 --story 'canary=dead kill@12:4 prometheus-down@15:30'
  surefoot simulate --seed 1 --stories 1000 --json | jq .broken

\b
A story is a setting (NAME=VALUE) and events (EVENT@SECOND[:VALUE]); `--list` shows all of them.
The same seed and story always end the same way. A story that breaks a promise is shortened until
nothing more can be left out, and printed as the command that plays it.
Exit codes: 0 every promise held, 1 one was broken, 2 bad input.""",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the first story."
)
@click.option(
    "--stories",
    type=click.IntRange(1, _MOST),
    default=1,
    show_default=True,
    help="How many: of this seed and of those after it.",
)
@click.option("--story", "text", help="Play this story instead of a random one.")
@click.option(
    "--short",
    type=click.IntRange(0, MOST_EVENTS),
    is_flag=False,
    flag_value=MOST_EVENTS,
    metavar="[EVENTS]",
    help="Play every story of up to so many events instead; without a number of up to four.",
)
@click.option("--list", "is_list", is_flag=True, help="List settings, events and promises.")
@click.option("--keep-going", is_flag=True, help="Play all stories, also after one has failed.")
@click.option("--no-shrink", is_flag=True, help="Print a failing story as it is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: {stories, looks, broken, ...}.")
def simulate(
    seed: int,
    stories: int,
    text: str | None,
    *,
    short: int | None,
    is_list: bool,
    keep_going: bool,
    no_shrink: bool,
    as_json: bool,
) -> None:
    """Run the production controller through seeded faults of clocks, Prometheus, the mesh, the API
    server, the journal and people, and check every promise after each step.

    Nothing outside is touched: no plan, no cluster, no journal.
    """
    from rollout.cli.text.stories import as_document, describe, describe_choices
    from rollout.stories.campaign import run_campaign

    if is_list:
        click.echo(describe_choices())
        return
    chosen = _choose(seed, stories, text, short=short)
    with progress("simulating", len(chosen), quiet=as_json) as on_done:
        campaign = run_campaign(chosen, on_done, stops=not keep_going)
    shortest = None if no_shrink else _shorten(campaign)
    if as_json:
        click.echo(json.dumps(as_document(campaign, shortest), indent=2))
    else:
        click.echo(describe(campaign, shortest))
    raise SystemExit(DONE if campaign.holds else FAILED)


def _choose(seed: int, count: int, text: str | None, *, short: int | None) -> Sequence[SeededStory]:
    from rollout.stories.draw import random_stories, short_stories
    from rollout.stories.story import parse_story

    if text is not None and (short is not None or count > 1):
        raise InputError("--story is one story: leave --stories and --short out")
    if text is not None:
        return [parse_story(seed, text)]
    return random_stories(seed, count) if short is None else list(short_stories(seed, short))


def _shorten(campaign: Campaign) -> SeededStory | None:
    """Return the shortest story that breaks what the first failed one broke; None without any."""
    from rollout.stories.shrink import shrink

    if not campaign.failed:
        return None
    first = campaign.failed[0]
    return shrink(first.story, first.broken[0].invariant)
