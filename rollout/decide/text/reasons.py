"""Texts about the reasons of a decision, by their codes."""

from __future__ import annotations

from collections.abc import Callable

from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.confirmation import ENOUGH, count_requests
from rollout.decide.evidence.exposure import mirror_of
from rollout.decide.record.reasons import WAITS_FOR_ROUTE, Reason, first_reason
from rollout.decide.record.write_id import WriteId
from rollout.decide.state.hooks import failed
from rollout.decide.state.retreat import MOST
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.arms import name_arms
from rollout.decide.text.comparison import format_split
from rollout.decide.text.evidence import (
    describe_harm,
    describe_missing_proof,
    describe_nearness,
    describe_nothing_harmful,
    describe_proof,
)
from rollout.decide.text.experiment import (
    describe_conclusion,
    describe_experiment,
    describe_no_winner,
    describe_reallocation,
)
from rollout.decide.text.following import describe_following, describe_waiting
from rollout.decide.text.numbers import join
from rollout.plan.fields.units import duration, percent


def describe_reason(state: RolloutState, code: str, name: str, judgement: Judgement) -> str:
    """Describe one reason: its code, the name in it, and the numbers behind it."""
    if code in _BY_EVIDENCE:
        return _BY_EVIDENCE[code](state, name, judgement)
    describe = _BY_CODE.get(code)
    return describe(state, name) if describe else _describe_refusal(state, code)


def _describe_lateness(state: RolloutState, _: str, judgement: Judgement) -> str:
    names = [name for name, verdict in judgement.verdicts.items() if not verdict.lets_promote]
    missing = describe_missing_proof(state, names, judgement)
    late = f"no proof within the deadline of {duration(state.plan.spec.deadline)}"
    texts = [f"{late}: {missing}" if missing else late, _describe_last_wait(state)]
    return "; ".join(filter(None, texts))


def _describe_last_wait(state: RolloutState) -> str:
    """Describe what of the route the rollout waited for at last; empty where for nothing of it."""
    last = state.last
    code = first_reason(last.reasons) if last is not None and last.action == "hold" else None
    return _BY_CODE[code](state, "") if code in WAITS_FOR_ROUTE else ""


def _describe_used_up(state: RolloutState, name: str, judgement: Judgement) -> str:
    missing = describe_missing_proof(state, [name], judgement)
    return f"every sample of {state.versions[0]} from before the switch is used up: {missing}"


def _describe_refusal(state: RolloutState, code: str) -> str:
    """Explain why a command has no effect: `nothing to resume` in this phase."""
    phase = f"of authority {state.authority}" if state.is_observer else state.phase
    return f"{code.replace('-', ' ')}: the rollout is {phase}"


def _describe_drift(state: RolloutState, subject: str) -> str:
    policy = state.policy_drift
    edit = f"changed the policy ({policy})" if policy else "moved the weights"
    if state.drift_writer:
        writer = _name_writer(state.drift_writer)
        return f"another controller moved the weights ({writer}), nothing is written over it"
    if subject == "" and state.is_mark_gone and state.plan.spec.on_drift != "pause":
        stable = state.versions[0]
        is_reverting = state.plan.spec.on_drift == "revert"
        left = "it is not written over" if is_reverting else "the ramp does not go on from there"
        return (
            f"all traffic went back to {stable} and our mark is gone, as at another controller's "
            f"end, so {left}"
        )
    if subject == "" and state.plan.spec.on_drift == "revert":
        return (
            f"somebody else {edit} again and again, or after a refusal, so it is not written over"
        )
    effect = {
        "": "and the plan pauses then",
        "promoting": "before the mesh confirmed the promotion",
        "adopted": "and the plan goes on from there",
    }[subject]
    return f"somebody else {edit}, {effect}"


def _describe_command(state: RolloutState, _: str) -> str:
    if state.asked is None:
        return "a person asked for it"
    why = f" ({state.asked.reason})" if state.asked.reason else ""
    return f"asked by {state.asked.actor}{why}"


def _describe_asking(state: RolloutState, _: str) -> str:
    """Say why a person is asked: the authority leaves promotions, the plan an experiment's end."""
    if state.authority == "advance":
        return f"authority {state.authority} leaves the promotion to a person"
    return "the experiment is over, and the plan leaves its winner to a person"


def _describe_mirroring(state: RolloutState, subject: str) -> str:
    mirror = mirror_of(state.plan)
    lasts = duration(mirror.lasts) if mirror else ""
    if subject:
        return f"{subject} counts none of the newest copies that the canary gets"
    return f"the canary gets copies of requests for {lasts}, only a crash is judged by them"


def _describe_holding_back(state: RolloutState) -> tuple[str, str, str]:
    """Return stable's share in the holdback, stable's version and how long it lasts."""
    holdback = state.plan.spec.holdback
    share, lasts = (percent(holdback.share), duration(holdback.lasts)) if holdback else ("", "")
    return share, state.versions[0], lasts


def _describe_not_at_stable(state: RolloutState, _: str) -> str:
    stable, canary = name_arms(state.plan)
    live, read = state.live, state.route_read
    if read and read.problem:
        return f"{read.problem}; nothing is written"
    rest = f" and {percent(1 - live.share)} to {stable}" if live.stable else ""
    writer = f", written by {_name_writer(read.writer)}" if read and read.writer else ""
    return (
        f"the route sends {format_split(live)} to {canary}, which the plan calls the canary"
        f"{rest}{writer}; nothing is written"
    )


def _name_writer(write_id: str) -> str:
    """Name who wrote an id: a rollout with its decision, or a mark of another kind."""
    named = WriteId.parse(write_id)
    if named is None:
        return f"{write_id}, not by us"
    journal = f" of another journal, {named.chain}" if named.chain else ""
    return f"rollout {named.rollout} (decision {named.decision}{journal})"


def _describe_unread_route(state: RolloutState, _: str) -> str:
    problem = state.route_read.problem if state.route_read else "it is not read yet"
    if state.is_observer:
        canary = state.versions[1]
        return f"the route cannot be read ({problem}), so nobody knows what it gives {canary}"
    return f"the route cannot be read before the first write ({problem}); nothing is written"


def _describe_awaited_endpoints(state: RolloutState, _: str) -> str:
    return f"{name_arms(state.plan)[1]}, the canary, has no ready endpoint"


def _describe_missing_weight(state: RolloutState, _: str) -> str:
    canary = state.versions[1]
    if state.split.canary:
        return f"the route gives {canary} all traffic, so there is nothing to compare it with"
    return f"the route gives {canary} no traffic, so there is nothing to compare yet"


def _describe_conditions(state: RolloutState, _: str) -> str:
    """Describe everything that keeps our weights from being in force."""
    read, texts = state.route_read, []
    if read is not None:
        texts = [*read.conditions]
        if read.owner:
            texts.append(f"{read.owner} owns the object and will write it back")
        if read.writer and state.first_write:
            texts.append(f"another controller wrote to the route too (decision {read.writer})")
    if state.is_put_back:
        texts.append("somebody put the last write back")
    return f"the weights would not stay in force: {'; '.join(texts)}"


def _describe_one_armed(state: RolloutState, _: str) -> str:
    stable, canary = state.versions
    count = state.retreats + 1
    number = (
        f"retreat {count} of {MOST}" if count <= MOST else f"after {MOST} retreats, so it pauses"
    )
    return f"{canary} reports no requests while {stable} goes on ({number})"


def _describe_suspicion(state: RolloutState, name: str) -> str:
    own = state.guardrails[name].test.dispersion
    looks = own.trouble if own else 0
    stable = state.versions[0]
    return (
        f"{name} would show harm, but {stable} has had troubles of up to {looks} looks, so harm "
        "has to outlast them; it climbs again when the suspicion is gone"
    )


def _describe_retreated(state: RolloutState, _: str) -> str:
    canary, read = state.versions[1], state.route_read
    if read is None or read.has_endpoints is None:
        return f"nobody can tell whether {canary} answers again"
    if not read.has_endpoints:
        return f"{canary} has no ready endpoint"
    return (
        f"{canary}'s endpoints are ready, so its labels or scrapes are at fault, or no proxy has "
        "heard of its weight"
    )


def _describe_labels(state: RolloutState, name: str) -> str:
    labels, canary = state.guardrails[name].labels, state.versions[1]
    got, due = (
        percent(round(count / max(labels.requests, 1), 4)) for count in (labels.canary, labels.due)
    )
    return (
        f"{name}: {canary} has {got} of {labels.requests:,} labels, but {due} of the traffic, so "
        "what is not labelled may be what is bad"
    )


def _describe_confirmation(state: RolloutState, _: str) -> str:
    pods = state.learned.found_pods.values() if state.learned else ()
    labels = join(sorted({own.label for own in pods}))
    few = int(count_requests(state))
    progress = "read again" if few >= ENOUGH else f"{few} so far"
    return (
        f"the canary's first {ENOUGH} requests confirm whether the label {labels} tells servers "
        f"apart ({progress}), only a crash is judged until then"
    )


def _mesh_problem(state: RolloutState) -> str:
    return f" ({state.route_problem})" if state.route_problem else ""


_BY_EVIDENCE: dict[str, Callable[[RolloutState, str, Judgement], str]] = {
    Reason.ALL_SAFE: lambda state, _, judgement: describe_proof(state, judgement),
    Reason.HARMFUL: describe_harm,
    Reason.INCONCLUSIVE: _describe_lateness,
    Reason.NEAR_HARM: describe_nearness,
    Reason.NOTHING_HARMFUL: describe_nothing_harmful,
    Reason.UNDECIDED: lambda state, name, judgement: describe_missing_proof(
        state, [name], judgement
    ),
    Reason.USED_UP: _describe_used_up,
}
_BY_CODE: dict[str, Callable[[RolloutState, str], str]] = {
    Reason.AWAITING_ENDPOINTS: _describe_awaited_endpoints,
    Reason.AWAITING_HOOK: lambda _, name: f"waiting for the hook {name} to answer",
    Reason.AWAITING_MESH: lambda state, _: (
        f"the mesh has not confirmed the last change yet{_mesh_problem(state)}"
    ),
    Reason.AWAITING_PERSON: _describe_asking,
    Reason.AWAITING_TRAFFIC: lambda *_: (
        "the mesh shows the weight, waiting for traffic that agrees with it"
    ),
    Reason.AWAITING_WEIGHT: _describe_missing_weight,
    Reason.BAKING: lambda state, _: (
        f"baking at this weight for {duration(state.plan.spec.ramp.bake)}"
    ),
    Reason.BETTER: lambda state, name: describe_conclusion(state, name, "better"),
    Reason.CONFIRMING_PODS: _describe_confirmation,
    Reason.DRIFT: _describe_drift,
    Reason.EXPERIMENT: describe_experiment,
    Reason.EXPOSURE_MISMATCH: lambda state, _: (
        f"traffic contradicts the weight: {state.traffic_tally}"
    ),
    Reason.FOLLOWING: lambda state, _: describe_waiting(state),
    Reason.LABELS_DIFFER: _describe_labels,
    Reason.HELD_BACK: lambda state, _: "no harm while {} of traffic stayed on {} for {}".format(
        *_describe_holding_back(state)
    ),
    Reason.HOLDING_BACK: lambda state, _: (
        "{} of traffic stays on {} for {}, harm still rolls back".format(
            *_describe_holding_back(state)
        )
    ),
    Reason.HOOK_FAILED: lambda state, name: (
        f"the hook {name} failed: {failed(state).get(name, '')}"
    ),
    Reason.HUMAN: _describe_command,
    Reason.LEARNING: lambda state, _: f"the history of {state.versions[0]}'s pods is not read yet",
    Reason.MIRRORING: _describe_mirroring,
    Reason.NO_VALID_TEST: lambda state, name: f"no valid test for {name}: {state.unknown[name]}",
    Reason.NOT_AT_STABLE: _describe_not_at_stable,
    Reason.NOT_BETTER: describe_no_winner,
    Reason.NOT_PROMOTED: lambda *_: (
        "the plan promotes without proof, once the next step is possible"
    ),
    Reason.NOT_FOLLOWED: lambda state, _: describe_following(state).removesuffix("."),
    Reason.ONE_ARMED: _describe_one_armed,
    Reason.PATIENCE_OVER: lambda state, _: (
        f"nobody ended the pause within {duration(state.plan.spec.patience)}"
    ),
    Reason.PAUSED: lambda *_: "paused, harm still rolls back",
    Reason.RAMP: lambda *_: "every guardrail is within its margin, the ramp goes on",
    Reason.REALLOCATED: describe_reallocation,
    Reason.RETREATED: _describe_retreated,
    Reason.RETREATS_USED_UP: lambda *_: f"the canary was taken back {MOST + 1} times",
    Reason.ROUTE_AGAIN: lambda state, _: (
        f"the confirmed weights are written again, after the mesh refused{_mesh_problem(state)}"
    ),
    Reason.ROUTE_CONDITIONS: _describe_conditions,
    Reason.ROUTE_FIRST: lambda *_: (
        "it comes before the first step, an existing route is used as it is"
    ),
    Reason.ROUTE_REFUSED: lambda state, _: f"the mesh refuses the change{_mesh_problem(state)}",
    Reason.ROUTE_UNREAD: _describe_unread_route,
    Reason.SUSPECTED: _describe_suspicion,
    Reason.WARMING_UP: lambda state, _: (
        f"warming up for {duration(state.plan.spec.warmup)} from the canary's first request, "
        "only a crash is judged"
    ),
    Reason.WATCHING_STABLE: lambda state, _: (
        f"collecting samples of {state.versions[0]}, which the canary is compared with"
    ),
    Reason.WORSE: lambda state, name: describe_conclusion(state, name, "worse"),
}
