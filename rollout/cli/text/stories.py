"""Texts about simulated stories: what they held, and which promise broke."""

from __future__ import annotations

from typing import Any

from rollout.stories.campaign import Campaign
from rollout.stories.faults import FAULTS
from rollout.stories.invariants import CHECKS
from rollout.stories.play import play
from rollout.stories.setting import CHOICES
from rollout.stories.story import SeededStory

_SHOWN = 10  # failed stories


def describe(campaign: Campaign, shortest: SeededStory | None) -> str:
    """Return what a campaign held, what is known to be open, and the shortest failing story."""
    faults, kinds = sum(campaign.events.values()), len(campaign.events)
    total = f"{campaign.stories:,} stories: {campaign.looks:,} looks, {faults:,} faults"
    with_faults = campaign.stories - campaign.without_events
    lines = [f"{total} of {kinds} kinds, {with_faults:,} stories with faults"]
    lines += _describe_rates(campaign)
    lines += [
        f"open: {fault.text} ({count:,} {'story' if count == 1 else 'stories'})"
        for fault, count in campaign.open_faults.most_common()
    ]
    lines += [f"BROKEN {text}" for text in campaign.rates.broken()]
    lines += [
        f"BROKEN {played.broken[0]}\n  {played.story.command}"
        for played in campaign.failed[:_SHOWN]
    ]
    if len(campaign.failed) > _SHOWN:
        lines.append(f"and {len(campaign.failed) - _SHOWN:,} more stories")
    if shortest is not None:
        lines += ["the shortest story that still breaks it:", *_describe_story(shortest)]
    if campaign.holds:
        lines.append(
            "every promise held" + (", but for what is open" if campaign.open_faults else "")
        )
    return "\n".join(lines)


def _describe_rates(campaign: Campaign) -> list[str]:
    rates = campaign.rates
    if not rates.alike and not rates.at_margin:
        return []
    alike = f"{rates.falsely_rolled_back} of {rates.alike:,} versions that are alike rolled back"
    at_margin = f"{rates.falsely_promoted} of {rates.at_margin:,} at the margin promoted"
    return [f"without faults: {alike}, {at_margin}"]


def _describe_story(story: SeededStory) -> list[str]:
    played = play(story)
    broken = [f"  {broken}" for broken in played.broken[:1]]
    return [f"  {story.command}", *broken, f"  decided: {', '.join(played.actions) or 'nothing'}"]


def describe_choices() -> str:
    """Return every setting, event and promise, one per line."""
    lines = ["settings:", *(f"  {name}={'|'.join(some)}" for name, some in CHOICES.items())]
    lines.append("events, and the fault that each stands for:")
    for name, fault in sorted(FAULTS.items()):
        values = [f"{value:g}" for value in fault.values if value]
        lines.append(
            f"  {name}@SECOND{':' + '|'.join(values) if values else ''}  {fault.stands_for}"
        )
    lines.append("promises:")
    lines += [f"  {check.code}  {check.text}" for check in CHECKS]
    lines.append("  I7  error rates as declared, over all stories without faults")
    return "\n".join(lines)


def as_document(campaign: Campaign, shortest: SeededStory | None) -> dict[str, Any]:
    """Return a campaign as JSON values."""
    rates = campaign.rates
    return {
        "stories": campaign.stories,
        "looks": campaign.looks,
        "steps": campaign.steps,
        "faults": dict(sorted(campaign.events.items())),
        "ends": dict(sorted(campaign.ends.items())),
        "rates": {
            "alike": rates.alike,
            "falselyRolledBack": rates.falsely_rolled_back,
            "atMargin": rates.at_margin,
            "falselyPromoted": rates.falsely_promoted,
            "broken": rates.broken(),
        },
        "broken": [
            {
                "invariant": played.broken[0].invariant,
                "text": played.broken[0].text,
                "seed": played.story.seed,
                "story": str(played.story),
            }
            for played in campaign.failed
        ],
        "open": [{"text": fault.text, "stories": n} for fault, n in campaign.open_faults.items()],
        "shortest": None if shortest is None else {"seed": shortest.seed, "story": str(shortest)},
    }
