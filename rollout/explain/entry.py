"""Describe facts of the journal, one line each, safe to print on a terminal.

Facts hold text from other people, such as a reason or an error of a proxy. `clean` removes escape
sequences from it, which could otherwise rewrite the screen of a reader, and passwords of URLs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollout.decide.record.facts import (
    Action,
    Calibrated,
    Decided,
    Elected,
    Fact,
    HookAnswered,
    HookCalled,
    HumanSaid,
    Learned,
    Lived,
    Observed,
    Refused,
    Started,
)
from rollout.decide.record.route_facts import Confirmed, Drifted, Followed, RouteFailed, RouteRead
from rollout.decide.text.comparison import format_split
from rollout.decide.text.measurement import spread
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.release import digest_of
from rollout.redact import redact, strip_controls


def clean(text: str, limit: int | None = None) -> str:
    """Return text on one line without control or direction-changing characters, cut at `limit`.

    Passwords of URLs are hidden before it is cut, so that no half of one is left.
    """
    line = redact(" ".join(strip_controls(text).split()))
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def what(fact: Fact) -> str:
    """Name what happened: the decided action, the user's command, or else the kind of fact."""
    match fact:
        case Decided(action="advance" | "reallocate"):
            return f"{fact.action} to {format_split(fact.split)}"
        case Decided(action="hold", would=would) if would is not None:
            to = f" to {format_split(would.split)}" if would.action == "advance" else ""
            return f"would {would.action}{to}"
        case Decided():
            return fact.action
        case Followed():
            return fact.outcome
        case HumanSaid():
            return f"{fact.command} asked"
    return fact.kind.replace("-", " ")


def name_act(fact: Decided) -> Action:
    """Return the action by which a decision is coloured: what would be done, where less is."""
    return fact.would.action if fact.would else fact.action


def sentence(fact: Fact) -> str:
    """Describe the details of a fact in one sentence, without what `what` says."""
    return clean(_SENTENCES[type(fact)](fact))


def _describe_started(fact: Started) -> str:
    # The plan is the recorded document, perhaps of an older version: nothing in it is certain.
    spec = fact.plan.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    stable, canary = (_read_version(spec.get(arm)) for arm in ("stable", "canary"))
    waived = ", without a calibration (--uncalibrated)" if fact.uncalibrated else ""
    again = f", attempt {fact.attempt}" if fact.attempt > 1 else ""
    change = f"{spec.get('service', '?')} from {stable} to {canary} (Surefoot {fact.controller})"
    read = f", read at {fact.prometheus.url}" if fact.prometheus else ""
    return f"{change}{_describe_release(spec.get('release'))}{again}{waived}{read}"


def _describe_release(release: object) -> str:
    return f", release {digest_of(release)}" if isinstance(release, dict) else ""


def _read_version(arm: object) -> str:
    return str(arm.get("version", "?")) if isinstance(arm, dict) else "?"


def _describe_observed(fact: Observed) -> str:
    problems = [f"{name}: {words}" for name, words in fact.problems.items()]
    doubts = [f"{name}: {text}" for name, texts in fact.unbelieved.items() for text in texts]
    return "; ".join([_describe_news(fact), *problems, *doubts])


def _describe_news(fact: Observed) -> str:
    if fact.tallies:
        units = {
            name: (tally.counts.canary_exposures, tally.counts.stable_exposures)
            for name, tally in fact.tallies.items()
        }
        return "; ".join(
            f"{name}: {canary:,} new units of the canary, {stable:,} of stable"
            for name, (canary, stable) in units.items()
        )
    samples = sum(len(series.samples) for group in fact.series.values() for series in group)
    return f"{samples:,} new sample{'' if samples == 1 else 's'}"


def _describe_lived(fact: Lived) -> str:
    return f"{duration(fact.lived or 0.0)} lived through since the start"


def _describe_calibrated(fact: Calibrated) -> str:
    relation = "within" if fact.holds else "above"
    return (
        f"{fact.rolled_back:,} of {fact.runs:,} replays of stable's own pods were rolled back: "
        f"false rollbacks at most {percent(fact.bound)}, {relation} the declared "
        f"{percent(fact.alpha)}"
    )


def _describe_learned(fact: Learned) -> str:
    learned = [
        f"{name}: {spread(dispersion)}{_describe_found(fact, name)}"
        for name, dispersion in fact.dispersions.items()
        if name not in fact.unknown
    ]
    unknown = [f"no valid test for {name}: {words}" for name, words in fact.unknown.items()]
    return "; ".join([*learned, *unknown]) or "nothing of the pods' history is known"


def _describe_found(fact: Learned, name: str) -> str:
    """Name the label by which a guardrail's pods were found, or was given up."""
    own = fact.found_pods.get(name)
    if own is None:
        return ""
    return (
        f", not by the label {own.label}: {own.unused}"
        if own.unused
        else f", by the label {own.label}"
    )


def _describe_decided(fact: Decided) -> str:
    return fact.sentence


def _describe_confirmed(fact: Confirmed) -> str:
    if fact.unreachable:
        return (
            f"ended by hand, nobody could ask the mesh what it shows; "
            f"the stable version is still {fact.stable}"
        )
    change = f"the mesh shows {format_split(fact.split)} (decision {fact.decision})"
    change += f", not put back: {fact.left}" if fact.left else ""
    change += f"; {fact.remark}" if fact.remark else ""
    if fact.follows:
        return f"{change}, its traffic has yet to follow"
    return f"{change}; the stable version is now {fact.stable}" if fact.stable else change


def _describe_followed(fact: Followed) -> str:
    end = f" The stable version is now {fact.stable}." if fact.stable else ""
    return f"{fact.sentence}{end}"


def _describe_route_failed(fact: RouteFailed) -> str:
    return f"attempt {fact.attempt} of decision {fact.decision}: {fact.problem}"


def _describe_human_said(fact: HumanSaid) -> str:
    return f"{fact.actor}: {fact.reason}" if fact.reason else fact.actor


def _describe_drifted(fact: Drifted) -> str:
    if fact.policy:
        return f"somebody else changed the policy at {format_split(fact.seen)}: {fact.policy}"
    writer = f", written as {fact.writer}" if fact.writer else ""
    return f"somebody else moved the weights to {format_split(fact.seen)}{writer}"


def _describe_route_read(fact: RouteRead) -> str:
    texts = [fact.problem] if fact.problem else []
    if fact.split is not None:
        most = "at most " if fact.problem else ""
        texts.append(f"the route gives the canary {most}{format_split(fact.split)}")
    if fact.withdrawn:
        texts.append(f"decision {fact.withdrawn} was not written")
    if fact.writer:
        texts.append(f"written as {fact.writer}")
    if fact.has_endpoints is False:
        texts.append("the canary has no ready endpoint")
    texts += fact.conditions
    if fact.owner:
        texts.append(f"owned by {fact.owner}")
    if fact.taken is not None:
        texts.append(f"the mesh {'has' if fact.taken else 'has not yet'} taken the object as it is")
    if fact.strays:
        texts.append(f"to the canary since our first write: {', '.join(fact.strays)}")
    if fact.pinned:
        texts.append(f"to the canary before our first write: {', '.join(fact.pinned)}")
    return "; ".join(texts) or "nothing stands against the route"


def _describe_elected(fact: Elected) -> str:
    return f"{fact.controller} is the leader, term {fact.term}"


def _describe_refused(fact: Refused) -> str:
    return (
        f"{fact.controller}, term {fact.term}, is no longer the leader and wrote nothing: "
        f"{fact.problem}"
    )


def _describe_hook_called(fact: HookCalled) -> str:
    return f"{fact.hook}, attempt {fact.attempt}"


def _describe_hook_answered(fact: HookAnswered) -> str:
    return f"{fact.hook}, attempt {fact.attempt}: {fact.problem or 'answered'}"


_SENTENCES: dict[type, Callable[[Any], str]] = {
    Started: _describe_started,
    Observed: _describe_observed,
    Lived: _describe_lived,
    Learned: _describe_learned,
    Calibrated: _describe_calibrated,
    Decided: _describe_decided,
    Confirmed: _describe_confirmed,
    Followed: _describe_followed,
    RouteFailed: _describe_route_failed,
    HumanSaid: _describe_human_said,
    Drifted: _describe_drifted,
    RouteRead: _describe_route_read,
    HookCalled: _describe_hook_called,
    HookAnswered: _describe_hook_answered,
    Elected: _describe_elected,
    Refused: _describe_refused,
}
