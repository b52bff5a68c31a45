"""What an entry rests on is recorded: which build, which object, when Prometheus was asked."""

from dataclasses import replace
from datetime import datetime

from rollout.decide.record.facts import Decided, Observed
from rollout.decide.record.route_facts import Confirmed
from rollout.explain.decision.replayed import explain
from rollout.journal.hash_chain import document
from rollout.review.history import history
from rollout.review.look import differences
from rollout.route.kube.objects import read_version
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet
from tests.support.worlds import Lab


def facts_of(lab, kind):
    return [fact for fact in lab.facts if isinstance(fact, kind)]


def test_a_build_is_named_where_it_is_another_than_before():
    lab = Lab()
    lab.run_until(lambda state: state.wanted.canary == 25)
    before = len(lab.facts)
    lab.controller = Controller(lab.controller.ports, "newer", fleet=Fleet())
    lab.controller.start([lab.plan])
    lab.run()
    decisions = [fact for fact in lab.facts[before:] if isinstance(fact, Decided)]
    assert [fact.controller for fact in decisions] == ["newer"] + [None] * (len(decisions) - 1)
    assert lab.state.controller == "newer"
    looks = history(lab.entries).decisions
    assert {look.controller for look in looks[: -len(decisions)]} == {"test"}
    assert {look.controller for look in looks[-len(decisions) :]} == {"newer"}
    assert not any(look.differs for look in looks)


class _Versioned:
    """A mesh whose object has a version."""

    def __init__(self, router):
        self._router = router

    def __getattr__(self, name):
        return getattr(self._router, name)

    def read(self, *arguments):
        return replace(self._router.read(*arguments), version="a-uid@17")


def test_a_confirmation_names_the_version_of_the_object_that_showed_it():
    lab = Lab(wrap=lambda ports: replace(ports, router=_Versioned(ports.router)))
    lab.run_until(lambda state: state.split.canary == 25)
    assert {fact.version for fact in facts_of(lab, Confirmed)} == {"a-uid@17"}


def test_the_version_of_a_cluster_s_object_is_its_own():
    assert read_version({"metadata": {"uid": "u", "resourceVersion": "17"}}) == "u@17"


def test_a_mesh_without_versions_records_none():
    lab = Lab()
    lab.run_until(lambda state: state.split.canary == 25)
    assert not any("version" in document(fact) for fact in facts_of(lab, Confirmed))


def test_a_decision_is_explained_by_the_time_for_which_the_server_was_asked():
    lab = Lab()
    lab.run(20)
    number = next(e.seq for e in lab.entries if getattr(e.fact, "action", "") == "advance")
    entry = lab.entries[number - 1]
    before = explain(lab.entries, number)
    assert before["evaluated_at"] == before["at"]
    ahead = [
        replace(e, fact=e.fact.model_copy(update={"skew": 60.0}))
        if isinstance(e.fact, Observed) and e.fact.at == entry.fact.at
        else e
        for e in lab.entries
    ]
    after = explain(ahead, number)
    server, wall = map(datetime.fromisoformat, (after["evaluated_at"], after["at"]))
    assert (wall - server).total_seconds() == 60


def test_the_test_of_the_share_of_traffic_is_recorded():
    lab = Lab()
    lab.run()
    exposure = lab.decisions[-1].numbers["exposure"]
    assert 0 < exposure["canary"] < exposure["requests"]
    assert abs(exposure["canary"] / exposure["due"] - 1) < 0.2
    assert exposure["mismatch"] < 3


def test_an_older_entry_without_it_is_no_other_decision():
    lab = Lab()
    lab.run()
    decided = lab.decisions[-1]
    numbers = {key: own for key, own in decided.numbers.items() if key != "exposure"}
    older = decided.model_copy(update={"numbers": numbers})
    assert differences(older, decided) == ()
    changed = decided.numbers | {"exposure": decided.numbers["exposure"] | {"canary": 0}}
    assert differences(decided.model_copy(update={"numbers": changed}), decided) == ("numbers",)
