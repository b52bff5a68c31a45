"""Two replicas, a thousand ticks, and everything that an API server and a scheduler do to them.

Both live in this process, with real doors: the official client and its informers through a real
HTTPS proxy to a real kube-apiserver, a PostgreSQL journal, the Lease. Time is virtual, and so are
the metrics, whose traffic follows the real VirtualServices. A process that is killed for good is in
test_replicas.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from functools import partial
from itertools import cycle, pairwise

import pytest

from rollout.decide.record.facts import Decided, Elected
from rollout.decide.record.route_facts import Confirmed
from rollout.decide.record.write_id import WriteId
from rollout.journal.hash_chain import verify
from rollout.journal.index import by_rollout, end_of
from rollout.journal.sql.store import SqlJournal, open_journal
from rollout.plan.model.plan import Plan
from tests.live.faulty import proxied
from tests.live.operating import RIGHTS
from tests.live.pipeline import until
from tests.live.replicas import ISTIO, LEASE, MOVE
from tests.live.storm import BAD, GOOD, MARK, dice, storm

pytestmark = pytest.mark.live

TICKS, SEED, AT_ONCE = 1000, 7, 2
REFUSALS = ("429", "500", "503", "reset", "lost")


@pytest.fixture
def stormy(cluster, namespace, server, tmp_path, monkeypatch):
    cluster.allow("surefoot", namespace, *RIGHTS, MOVE, *LEASE)
    journal = server.new()
    open_journal(journal).close()
    with (
        proxied(cluster, tmp_path / "proxy") as proxy,
        storm(cluster, namespace, journal, proxy, monkeypatch) as the_storm,
    ):
        yield the_storm


class FaultDraws:
    """What befalls requests and replicas, by one seed; the threads' order is the machine's."""

    def __init__(self, stormy, server, seed):
        self.stormy, self.dice, self.lock = stormy, dice(seed), threading.Lock()
        self.met: Counter[str] = Counter()
        self.unrecorded: list[str] = []
        self.asleep = self.over = False
        self.server, self.watches = server, cycle(["", "closed", "gone"])

    def chance(self, share):
        with self.lock:
            return not self.over and bool(self.dice.random() < share)

    def fault(self, request):
        if request.watches:  # in turns, as there are few
            kind = "" if self.over else next(self.watches)
        else:
            changes = request.method in {"PATCH", "PUT"}
            with self.lock:
                refusal = str(self.dice.choice([*REFUSALS, *(["409"] * 5 if changes else [])]))
            kind = refusal if self.chance(0.06) else ""
        self.met[kind] += 1
        return kind

    def before(self, request):
        """Each patch of weights has its decision in the journal; some writers fall asleep here."""
        if "/virtualservices/" not in request.path:
            return
        if request.method == "PATCH":
            notes = json.loads(request.body)["metadata"].get("annotations", {})
            self.unrecorded += [
                m for k, m in notes.items() if k.startswith(MARK) and m and not self.decided(m)
            ]
        if self.chance(0.03) and not self.asleep:
            self.asleep = True
            self.met["asleep"] += 1
            (other,) = (node for node in self.stormy.nodes if node is not self.stormy.current)
            for _ in range(10):  # 20 s: the Lease runs out, the other one takes over and decides
                self.stormy.clock.sleep(2.0)
                self.stormy.tick(other)
            self.asleep = False

    def decided(self, mark):
        seq = read_mark(mark).decision
        query = f"SELECT kind FROM entries WHERE seq = {seq}"  # noqa: S608 - a number
        return self.server.ask(self.stormy.journal, query) == [("decided",)]


def read_mark(mark):
    """The decision that a mark of ours names."""
    named = WriteId.parse(mark)
    assert named is not None
    return named


@pytest.mark.timeout(900)  # a minute and a half on two busy cores
def test_a_thousand_ticks_of_two_replicas_leave_one_consistent_history(stormy, server):
    print(f"seed {SEED}")
    fate = FaultDraws(stormy, server, SEED)
    plans: dict[str, Plan] = {}
    stormy.proxy.fault, stormy.proxy.before = fate.fault, fate.before
    awake, rounds = [0.0, 0.0], 0
    while sum(node.ticks for node in stormy.nodes) < TICKS:
        if rounds % 20 == 0:
            while len(plans) - len(ends(stormy)) < AT_ONCE:
                name = f"svc-{len(plans)}"
                plans[name] = stormy.roll_out(name, BAD if len(plans) % 3 == 1 else GOOD)
        rounds += 1
        for node_index in fate.dice.permutation(2):
            befall(stormy, fate, node_index, awake)
        stormy.clock.sleep(1.0)
    fate.over = True
    settle(stormy, len(plans))
    print(dict(fate.met), len(plans), "rollouts")
    check(stormy, fate, plans)


def befall(stormy, fate, node_index, awake):
    """One replica's turn: it pauses, is killed between or within ticks, or ticks."""
    node, now = stormy.nodes[node_index], stormy.clock.now()
    if fate.chance(0.01):
        awake[node_index] = now + float(fate.dice.exponential(20))
        fate.met["paused"] += 1
    if fate.chance(0.01) and stormy.kill(node):
        fate.met["killed"] += 1
    if now >= awake[node_index]:
        stormy.doomed = fate.chance(0.01)
        stormy.tick(node)
        stormy.doomed = False


def ends(stormy):
    """How each rollout ended that did."""
    ends_by_rollout = {
        name: end_of(entries) for name, entries in by_rollout(stormy.entries()).items()
    }
    return {name: end for name, end in ends_by_rollout.items() if end}


def settle(stormy, count):
    """Without further faults every rollout ends, whatever was left behind."""
    for turn in range(200):
        for node in stormy.nodes:
            stormy.tick(node)
        stormy.clock.sleep(1.0)
        if turn % 20 == 0 and len(ends(stormy)) == count:
            return
    open_ones = {
        name: [(e.seq, e.fact.kind, getattr(e.fact, "sentence", "")) for e in entries][-12:]
        for name, entries in by_rollout(stormy.entries()).items()
        if name not in ends(stormy)
    }
    pytest.fail(f"{count}, {open_ones}")


def is_audited(stormy, name):
    """Whether the audit has seen all of it."""
    live = stormy.cluster.ask("GET", f"{ISTIO.format(stormy.namespace)}/{name}")
    return stormy.audit.of(name)[-1].version == live["metadata"]["resourceVersion"]


def check(stormy, fate, plans):
    entries, met = stormy.entries(), fate.met
    # What was to happen did happen.
    assert all(met[fault] for fault in (*REFUSALS, "409", "closed", "gone", "asleep", "paused"))
    terms = [entry.fact for entry in entries if isinstance(entry.fact, Elected)]
    assert len({fact.controller for fact in terms}) >= 4
    # One chain, without a gap.
    reader = SqlJournal(stormy.journal, readonly=True)
    verify(reader.rows())
    reader.close()
    assert [entry.seq for entry in entries] == [*range(1, len(entries) + 1)]
    # Terms rise, one leader each, and only that one decides.
    names: dict[int, str] = {}
    for before, after in pairwise(terms):
        assert before.term <= after.term
    for fact in terms:
        assert names.setdefault(fact.term, fact.controller) == fact.controller
    leader = ""
    for entry in entries:
        leader = entry.fact.controller if isinstance(entry.fact, Elected) else leader
        if entry.fact.kind != "refused":
            assert stormy.writers[entry.seq] == leader, entry
    # Each change of a weight is of one decision, recorded before, and no older one comes back.
    assert fate.unrecorded == []
    decided = {e.seq: e.fact for e in entries if isinstance(e.fact, Decided)}
    for name, plan in plans.items():
        until(partial(is_audited, stormy, name), "the audit")
        creation, *changes = stormy.audit.of(name)
        assert (creation.canary, creation.mark) == (0, "")
        confirmed = [
            e.fact for e in entries if isinstance(e.fact, Confirmed) and e.fact.rollout == plan.id
        ]
        assert changes[-1].mark == "", "the last write leaves no mark"
        # An end that is repeated notes itself and takes the note away: that moves nothing.
        notes = [after for before, after in pairwise(changes) if after.canary == before.canary]
        for note in filter(lambda change: change.mark, notes):
            assert decided[read_mark(note.mark).decision].action in {"promote", "roll back"}
        changes = [change for change in changes if change not in notes]
        marks = [read_mark(change.mark) for change in changes[:-1]]
        assert {mark.rollout for mark in marks} <= {plan.id}
        numbers = [*(mark.decision for mark in marks), confirmed[-1].decision]
        assert numbers == sorted(set(numbers))  # each decision was written once, in order
        for seq, change in zip(numbers, changes, strict=True):
            assert decided[seq].rollout == plan.id
            assert round(decided[seq].split.share * 100) == change.canary
            assert decided[seq].action != "hold"
        weights = [change.canary for change in changes]
        if decided[numbers[-1]].action == "roll back":
            assert weights[-1] == 0
        assert weights == [*sorted(weights[:-1]), weights[-1]]  # up, and at most once back
        ended = ends(stormy)[plan.id]
        assert weights[-1] == (100 if ended == "promote" else 0)
        right = "promote" if stormy.worlds.behaviours[name] is GOOD else "roll back"
        assert ended == right, decided[numbers[-1]].sentence


def test_ten_minutes_without_the_api_server_lose_nothing_and_end_without_a_storm(stormy):
    plan, (first, second), proxy = stormy.roll_out("svc", GOOD), stormy.nodes, stormy.proxy

    def rounds(count, seconds):
        for _ in range(count):
            for node in (first, second):
                stormy.tick(node)
            stormy.clock.sleep(seconds)

    def asked():
        """Requests since the last question; the informers' own pauses are in real time."""
        requests = [
            request
            for request in proxy.asked
            if "plans?" not in request.path and not request.watches
        ]
        proxy.asked.clear()
        return Counter("lease" if "/leases" in request.path else "other" for request in requests)

    until(lambda: rounds(1, 1.0) or len(stormy.audit.of("svc")) > 1, "the first step")
    rounds(2, 1.0)
    until(partial(is_audited, stormy, "svc"), "the audit")
    before, recorded = stormy.audit.of("svc")[-1], len(stormy.entries())
    proxy.fault = lambda _request: "reset"
    asked()
    rounds(300, 2.0)
    away = asked()
    assert away["lease"] <= 2 * 301  # each replica's attempt, every two seconds
    assert away["other"] <= 60  # the leader's last ticks, then a status every half minute
    assert stormy.audit.of("svc")[-1] == before
    during = stormy.entries()[recorded:]
    assert len(during) <= 20  # no entry for each attempt
    assert {"advance", "promote", "roll back", "pause"}.isdisjoint(
        {entry.fact.action for entry in during if isinstance(entry.fact, Decided)}
    )
    proxy.fault = lambda _request: ""
    rounds(5, 2.0)
    back = asked()
    assert back["lease"] <= 2 * 5 * 3
    assert back["other"] <= 60
    settle(stormy, 1)
    assert ends(stormy) == {plan.id: "promote"}
    until(partial(is_audited, stormy, "svc"), "the audit")
    assert stormy.audit.of("svc")[-1].canary == 100
