"""What Prometheus is told: weights, phases, evidence, decisions and health."""

from __future__ import annotations

import gzip
import math
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.reasons import Reason
from rollout.decide.record.split import Split
from rollout.decide.rules.view import view
from rollout.decide.state.rollout import TERMINAL
from rollout.errors import InputError, JournalError
from rollout.explain.status import find_wish
from rollout.metrics import families
from rollout.metrics.door import serving
from rollout.metrics.families import EDGES, FROM_ZERO, KEPT
from rollout.metrics.meter import Meter
from rollout.metrics.names import METRICS, code_of
from rollout.metrics.page import line, page
from rollout.ports import HookReply, RouteStatus
from tests.support.worlds import BAD, Lab, plan

OPENER = build_opener(ProxyHandler({}))
PORT = 0  # whatever is free


def exported(meter):
    """Every sample, the rollouts' read back from their text."""
    families = text_string_to_metric_families(meter.rollouts())
    exported_samples = [
        (sample.name, sample.labels, sample.value)
        for family in families
        for sample in family.samples
    ]
    return [*meter.samples(), *exported_samples]


class Metered(Lab):
    """A lab whose controller has a meter."""

    def restart(self):
        self.meter = Meter("1.2", self.clock.now, self.clock.now)
        super().restart()
        for entry in self.journal.read():
            self.meter.note(entry)
        self.controller.on_entry = self.meter.note
        controller = self.controller
        controller.tick = self.meter.around(  # type: ignore[method-assign]
            controller.tick, controller.states, lambda: controller.head, controller.count_attempts
        )

    def values(self, name, **labels):
        return [
            value
            for sample_name, of, value in exported(self.meter)
            if sample_name == name and labels.items() <= of.items()
        ]

    def value(self, name, **labels):
        (only_value,) = self.values(name, **labels)
        return only_value


def ask(port, path):
    with OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode()


def status(port, path):
    try:
        ask(port, path)
    except HTTPError as refusal:
        with refusal:
            return refusal.code
    return 200


def test_weights_phase_and_evidence_are_the_state_s():
    lab = Metered()
    lab.run_until(lambda state: state.split.canary == 5 and state.looked_at is not None)
    lab.run(6)
    assert lab.value("surefoot_rollout_weight_confirmed_ratio") == lab.state.split.share
    assert lab.value("surefoot_rollout_weight_declared_ratio") == lab.state.wanted.share
    assert lab.value("surefoot_rollout_phase", phase=lab.state.phase) == 1
    assert sum(lab.values("surefoot_rollout_phase")) == 1
    status_view = view(lab.state, lab.clock.now())
    for name, readout in status_view.judgement.readouts.items():
        harm = lab.value("surefoot_guardrail_harm_evidence_ratio", guardrail=name)
        proof = lab.value("surefoot_guardrail_proof_evidence_ratio", guardrail=name)
        assert (harm, proof) == (readout.harm, readout.safe)


def test_harm_reaches_one_and_is_counted_with_its_code():
    lab = Metered(canary=BAD)
    lab.run_until(lambda state: state.phase == "rolled back")
    lab.controller.tick()
    assert lab.value("surefoot_decisions_total", action="roll back", reason="harmful") == 1
    decision_counts = Counter((d.action, code_of(d.reasons)) for d in lab.decisions)
    exported_counts = {
        (of["action"], of["reason"]): value
        for name, of, value in exported(lab.meter)
        if name == "surefoot_decisions_total" and value
    }
    assert exported_counts == decision_counts
    assert not lab.values("surefoot_guardrail_harm_evidence_ratio"), "an ended one has no evidence"
    assert lab.value("surefoot_rollout_phase", phase="rolled back") == 1


def test_what_an_observer_may_not_do_is_told():
    lab = Metered(plan=plan(authority="observe", deadline="1h"), canary=BAD)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(25), "flagger")
    lab.run_until(lambda state: state.last is not None)
    assert lab.value("surefoot_rollout_would_act", action="hold") == 1
    lab.run_until(lambda state: find_wish(state) == "roll back")
    assert lab.value("surefoot_rollout_would_act", action="roll back") == 1
    assert sum(lab.values("surefoot_rollout_would_act")) == 1
    assert lab.values("surefoot_decisions_total", action="roll back", reason="harmful") == [0]
    abort = HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command="abort", actor="ann")
    lab.controller.note(abort)
    lab.run_until(lambda state: state.is_terminal)
    lab.controller.tick()
    assert not lab.values("surefoot_rollout_would_act"), "it wants nothing any more"


def test_full_authority_has_no_wish():
    lab = Metered(canary=BAD)
    lab.run_until(lambda state: state.phase == "rolled back")
    assert not lab.values("surefoot_rollout_would_act")


def test_a_failing_hook_is_counted_by_call_and_told_when_it_is_given_up():
    class Deaf:
        """Answers each call with a failure, at the next tick."""

        def __init__(self):
            self.waiting = []

        def call(self, call):
            self.waiting.append(HookReply(call.key, "HTTP 503"))

        def replies(self):
            replies, self.waiting = self.waiting, []
            return replies

    def tick(seconds):
        for _ in range(seconds):
            lab.controller.tick()
            lab.clock.sleep(1.0)

    def count_calls():
        return [
            lab.value(f"surefoot_{name}")
            for name in ("hook_failures_total", "rollout_hooks_failed")
        ]

    deaf = Deaf()
    hook = {"name": "warm", "when": "before", "url": "http://hooks.example/x", "attempts": 2}
    lab = Metered(plan=plan(hooks=[hook]), wrap=lambda ports: replace(ports, hooks=deaf))
    lab.run_until(lambda state: bool(state.calls) and not state.calls["warm"].calling)
    lab.controller.tick()
    assert count_calls() == [1, 0], "it is tried again"
    lab.run_until(lambda state: state.phase == "paused")
    assert count_calls() == [2, 1]
    lab.restart()
    lab.controller.tick()
    assert count_calls() == [2, 1], "the journal knows"
    resume = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="resume", actor="ada")
    lab.journal.append([resume], lab.entries[-1].seq)
    tick(3)
    assert count_calls() == [2, 0], "a person knows"


def test_blindness_is_told_in_seconds():
    lab = Metered()
    lab.world.dark = True
    lab.run(20)
    blind = lab.values("surefoot_guardrail_blind_seconds")
    assert len(blind) == 3
    assert min(blind) == pytest.approx(20, abs=2)


def test_counters_are_the_same_after_a_restart_and_hidden_until_the_journal_is_read():
    lab = Metered()
    lab.run_until(lambda state: state.split.canary == 25)
    before = [*lab.values("surefoot_decisions_total")], lab.value("surefoot_journal_entries_total")
    lab.restart()
    assert lab.values("surefoot_decisions_total") == []
    lab.controller.tick()
    after = [*lab.values("surefoot_decisions_total")], lab.value("surefoot_journal_entries_total")
    assert sum(after[0]) >= sum(before[0]) > 0
    assert after[1] >= before[1]
    assert after[1] == len(lab.entries)


def test_failures_of_the_mesh_are_counted_and_the_attempts_shown():
    lab = Metered()
    lab.run_until(lambda state: state.wanted.canary == 5)
    lab.router.down = "no such route"
    lab.run(60)
    (_,) = (fact for fact in lab.facts if fact.kind == "route-failed")
    assert lab.value("surefoot_route_failures_total") == 1, "an entry is a new reason"
    assert lab.value("surefoot_rollout_route_attempts") > 3
    lab.router.down = ""
    lab.run_until(lambda state: not state.delivery.is_open)
    assert lab.value("surefoot_rollout_route_attempts") == 0


def test_ended_rollouts_are_shown_for_an_hour():
    lab = Metered()
    lab.run_until(lambda state: state.phase in TERMINAL)
    lab.controller.tick()
    assert lab.values("surefoot_rollout_phase")
    lab.clock.sleep(KEPT + 1)
    lab.controller.tick()
    assert not lab.values("surefoot_rollout_phase")
    assert sum(lab.values("surefoot_decisions_total"))


def test_ticks_are_timed_and_failures_told():
    lab = Metered()
    meter, clock = lab.meter, lab.clock

    todo = [(0.02, ""), (0.3, ""), (0.3, "the disk is full"), (99.0, "")]

    def tick():
        seconds, problem = todo.pop(0)
        clock.sleep(seconds)
        if problem:
            raise JournalError(problem)

    while todo:
        with suppress(JournalError):
            meter.around(tick, {}, lambda: 0, lambda _: 0)()
    assert lab.value("surefoot_tick_failures_total") == 1
    assert lab.value("surefoot_tick_duration_seconds_count") == 4
    assert lab.value("surefoot_tick_duration_seconds_sum") == pytest.approx(99.62)
    buckets = lab.values("surefoot_tick_duration_seconds_bucket")
    assert buckets == [0, 0, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 4]
    assert len(buckets) == len(EDGES)


def test_alive_while_ticks_come_ready_while_they_succeed():
    lab = Metered()
    meter, clock = lab.meter, lab.clock
    assert (meter.alive, meter.ready) == (True, False)
    lab.controller.tick()
    assert (meter.alive, meter.ready) == (True, True)

    def broken():
        raise JournalError("the disk is full")

    for _ in range(7):
        clock.sleep(10)
        with suppress(JournalError):
            meter.around(broken, {}, lambda: 0, lambda _: 0)()
    assert (meter.alive, meter.ready) == (True, False)
    assert lab.value("surefoot_tick_age_seconds") == pytest.approx(70)
    clock.sleep(61)
    assert not meter.alive


def test_a_scrape_works_out_only_what_has_changed_since_the_last_one(monkeypatch):
    lab = Metered()
    lab.run_until(lambda state: state.split.canary == 25)
    judged = []

    def counted(*of):
        judged.append(of)
        return view(*of)

    monkeypatch.setattr(families, "view", counted)
    first = lab.meter.rollouts()
    assert (len(judged), lab.meter.rollouts() == first) == (1, True)
    guardrails = lab.state.guardrails.values()
    assert all("logs" in vars(guardrail) for guardrail in guardrails), (
        "the look itself had worked it out"
    )
    lab.world.dark = True
    lab.run(10)
    assert len(judged) == 1, "no scrape, no work"
    assert max(lab.values("surefoot_guardrail_blind_seconds")) > 1, "but the time goes on"
    assert len(judged) == 2


def test_the_rollouts_text_is_what_the_library_would_write():
    lab = Metered(plan=plan("a.b-c"))
    lab.run_until(lambda state: state.split.canary == 25)
    named = 'a "quoted" \\ name\nof two lines'
    samples = [*families.of_rollout(named, lab.state), ("surefoot_leader", {"x": ""}, math.inf)]
    text = page(map(line, samples))
    read = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert Counter(
        (sample.name, tuple(sorted(sample.labels.items())), sample.value) for sample in read
    ) == (Counter((name, tuple(sorted(of.items())), float(value)) for name, of, value in samples))
    assert text.count("# TYPE") == len({name for name, _, _ in samples})


def test_a_page_may_be_packed():
    lab = Metered()
    lab.controller.tick()
    with serving(lab.meter, "127.0.0.1", PORT) as port:
        asked = Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept-Encoding": "gzip"})
        with OPENER.open(asked, timeout=5) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            packed = answer.read()
        assert b"surefoot_rollout_phase{" in gzip.decompress(packed)


def test_every_metric_is_served_and_no_other():
    lab = Metered()
    lab.run_until(lambda state: state.split.canary == 25)
    with serving(lab.meter, "127.0.0.1", PORT) as port:
        text = ask(port, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    elsewhere = {"surefoot_rollout_traffic_follows", "surefoot_rollout_would_act"}
    assert {name.removesuffix("_total") for name in METRICS} - elsewhere == set(families)
    for name, metric in METRICS.items():
        if name in elsewhere:
            continue
        family = families[name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_probes_and_strange_paths():
    lab = Metered()
    with serving(lab.meter, "127.0.0.1", PORT) as port:
        assert [status(port, path) for path in ("/healthz", "/readyz", "/")] == [200, 503, 404]
        lab.controller.tick()
        assert status(port, "/readyz") == 200
        lab.clock.sleep(100)
        assert [status(port, path) for path in ("/healthz", "/readyz")] == [503, 503]


def test_a_taken_port_is_said():
    meter = Metered().meter
    with (
        serving(meter, "127.0.0.1", PORT) as port,
        pytest.raises(InputError, match=f"127.0.0.1:{port}: Address already in use"),
        serving(meter, "127.0.0.1", port),
    ):
        pass


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_exported_as_itself_without_its_subject(reason):
    assert code_of((reason.of("patient 12"),)) == code_of((reason.value,)) == reason


def test_nothing_but_a_code_gets_into_a_label():
    assert code_of(("patient 12",)) == code_of(()) == "other"
    assert {reason for _, reason in FROM_ZERO} <= {*Reason}
