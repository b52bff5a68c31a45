"""Pods of clients in series that are declared as a server's: no verdict is by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import FACT, Decided, Learned
from rollout.explain.entry import sentence
from rollout.observe.pods.survey import find_shared, survey
from rollout.plan.model.plan import Plan
from rollout.ports import Answer, Ask, Observer, PodHistory
from tests.support import pods
from tests.support.worlds import BAD, GOOD, Lab, plan

Calls = Sequence[tuple[str, str]]  # pod of the series, version that they count

STABLE = (("gw-1", "v1"), ("gw-2", "v1"))
TESTER = (*STABLE, ("gw-tester", "v2"))
BOTH = (*TESTER, ("gw-1", "v2"), ("gw-2", "v2"))
SERVERS = (("s-1", "v1"), ("s-2", "v1"), ("c-1", "v2"), ("c-2", "v2"))

ERRORS = {"name": "errors", "template": "vllm/errors", "margin": {"absolute": "1%"}}
DECLARED = {
    "name": "errors",
    "counter": {"series": "errors_total", "bad": {"code": "=~5.."}},
    "labels": {"version": "version"},
    "margin": {"absolute": "1%"},
}
LATENCY = {
    "name": "latency",
    "histogram": {"series": "seconds", "unit": "s"},
    "labels": {"version": "version"},
    "tolerance": "25%",
}


@dataclass
class Clients:
    """A service whose series tell their labels, as of `calls`, and a past of these pods."""

    world: Observer
    calls: Callable[[float], Calls]
    asks: list[Ask] = field(default_factory=list)

    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        return self.world.observe(asks, now)

    def history(self, ask: Ask, now: float) -> PodHistory:
        self.asks.append(ask)
        rows = [(_name_labels(ask.plan, *own), 1.0) for own in self.calls(now)]
        if ask.labels:
            return PodHistory(shared=find_shared(ask, lambda *_: rows))
        labels = survey(ask, lambda *_: rows)
        used = {name: own.label for name, own in labels.items() if not own.is_awaited}
        names = [own.name for own in ask.plan.spec.guardrails]
        counted = {name: own for name, own in pods.past_of().items() if name in names}
        past = {name: own if name in used else _add_up(own) for name, own in counted.items()}
        awaited = {name: own.label for name, own in labels.items() if own.is_awaited}
        return PodHistory(past, labels=used, awaited=awaited)


def _add_up(own):
    counts = own.counts.sum(axis=1, keepdims=True)
    return replace(own, pods=("",), counts=counts, canary=0)


def _name_labels(own: Plan, pod: str, version: str) -> dict[str, str]:
    name = (
        "errors_total" if own.spec.guardrails[0].template is None else "vllm:request_success_total"
    )
    labels = {"__name__": name, "pod": pod, "version": version, "code": "200"}
    return {**labels, "finished_reason": "stop", "model_name": version}


def lab(before: Calls, *, after: Calls, later: Calls = (), version=GOOD, **spec):
    """A rollout that reads `before` up to the first step, and `later` a minute after `after`."""
    observers: list[Clients] = []
    stepped: list[float] = []

    def calls(now: float) -> Calls:
        if not rollout.state.split.canary:
            return before
        stepped.append(now)
        return later if later and now > stepped[0] + 60 else after

    def wrap(ports):
        observers.append(Clients(ports.observer, calls))
        return replace(ports, observer=observers[-1])

    words = {"guardrails": [DECLARED], "warmup": "0s", "deadline": "20m", **spec}
    rollout = Lab(version, plan=plan(**words), wrap=wrap)
    return rollout, observers[0]


def learned(rollout):
    return [fact for fact in rollout.facts if isinstance(fact, Learned)]


def judged_by(rollout, name="errors"):
    return rollout.state.guardrails[name].test.dispersion.by


@pytest.mark.parametrize("guardrails", [[DECLARED], [DECLARED, LATENCY]])
@pytest.mark.parametrize("before", [STABLE, TESTER])
@pytest.mark.parametrize("warmup", ["0s", "20s"])
def test_a_gateway_s_pods_are_given_up_before_anything_is_weighed(before, guardrails, warmup):
    rollout, _ = lab(before, after=BOTH, guardrails=guardrails, warmup=warmup)
    rollout.run_until(lambda state: state.learned and state.learned.is_confirmed)
    names = [own["name"] for own in guardrails]
    assert {judged_by(rollout, name) for name in names} == {"totals"}
    assert not any(rollout.state.guardrails[name].test.canary_units for name in names)
    assert rollout.state.learned.labels == {}
    assert "does not tell the versions' pods apart" in sentence(learned(rollout)[-1])
    assert rollout.run(1200).phase == "promoted"


@pytest.mark.parametrize("guardrail", [DECLARED, {**ERRORS, "labels": {"version": "version"}}])
@pytest.mark.parametrize("before", [SERVERS, SERVERS[:2]])
def test_servers_pods_are_confirmed_by_the_canary_s_requests_without_a_warm_up(before, guardrail):
    rollout, observer = lab(before, after=SERVERS, guardrails=[guardrail])
    rollout.run_until(lambda state: state.learned and state.learned.is_confirmed)
    assert not rollout.state.guardrails["errors"].test.canary_units
    assert judged_by(rollout) == "pods"
    assert rollout.run(1200).phase == "promoted"
    assert len([ask for ask in observer.asks if not ask.labels]) == 2


def test_harm_is_found_once_they_are():
    rollout, _ = lab(SERVERS, after=SERVERS, version=BAD)
    assert rollout.run().phase == "rolled back"


def test_a_gateway_that_gets_the_canary_s_route_late_ends_the_verdicts_by_name():
    """Only the tester's gateway has the canary's route at first, and its requests are by weight."""
    rollout, _ = lab(
        TESTER,
        after=TESTER,
        later=BOTH,
        ramp={"steps": ["5%", "50%"], "bake": "10m"},
        deadline="2h",
        whenBlind={"hold": "20s", "then": "pause"},
    )
    rollout.run_until(lambda state: state.learned and state.learned.is_confirmed)
    assert judged_by(rollout) == "pods"
    rollout.run_until(lambda state: state.unknown, 900)
    assert "it names no pod of either" in rollout.state.unknown["errors"]
    assert "it names no pod of either" in sentence(learned(rollout)[-1])
    units = rollout.state.guardrails["errors"].test.canary_units
    rollout.run(60)
    assert rollout.state.phase == "paused"
    assert rollout.state.guardrails["errors"].test.canary_units == units


def test_a_name_that_is_free_again_ends_that():
    """A stateful set gives its pods' names to the next version; series of before linger."""
    reused = (*SERVERS, ("s-2", "v2"))
    rollout, observer = lab(
        SERVERS,
        after=SERVERS,
        later=reused,
        ramp={"steps": ["5%", "50%"], "bake": "20m"},
        deadline="2h",
        whenBlind={"hold": "15m", "then": "pause"},
    )
    rollout.run_until(lambda state: state.unknown, 900)
    observer.calls = lambda _now: SERVERS
    rollout.run_until(lambda state: not state.unknown, 900)
    assert judged_by(rollout) == "pods"


def test_a_few_requests_confirm_nothing_and_nothing_is_weighed():
    rollout, _ = lab(SERVERS, after=SERVERS, ramp={"steps": ["1%"], "bake": "8s"})
    rollout.world.rate = 2.0
    rollout.run(240)
    assert not rollout.state.learned.is_confirmed
    last = [fact for fact in rollout.facts if isinstance(fact, Decided)][-1]
    assert last.reasons == ("confirming-pods",)
    assert not rollout.state.guardrails["errors"].test.canary_units


def test_a_replay_makes_the_same_numbers():
    rollout, _ = lab(SERVERS, after=SERVERS)
    rollout.run()
    recorded = ((entry.seq, FACT.dump_python(entry.fact)) for entry in rollout.entries)
    again = fold_all((seq, FACT.validate_python(fact)) for seq, fact in recorded)
    assert again == rollout.state


def test_a_journal_from_before_weighs_what_was_not_confirmed():
    rollout, _ = lab(SERVERS, after=SERVERS)
    rollout.run_until(lambda state: state.learned)
    old = learned(rollout)[0].model_copy(update={"is_weighed_after": False})
    assert "is_weighed_after" not in old.model_dump()
