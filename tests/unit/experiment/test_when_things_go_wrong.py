"""What a rollout lacks is told in words: no table has a NaN for it, and no chart breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout.decide.record.facts import Command, HumanSaid, Observed
from rollout.experiment.experiment import Experiment
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.gone_through import list_flaws
from tests.support.worlds import GOOD, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
WORDS = {"name": "verdicts", "template": "quality/verdict", "margin": {"absolute": "5%"}}


def begin() -> Lab:
    return Lab(GOOD, plan=plan(guardrails=[ERRORS, WORDS], segments=SITES))


SITES = [{"label": "site", "values": ["a", "b"]}]


def one_look() -> Lab:
    lab = begin()
    while not any(isinstance(fact, Observed) for fact in lab.facts):
        lab.controller.tick()
        lab.clock.sleep(0.5)
    return lab


def renamed() -> Lab:
    """A series that is there no more, from the middle of the rollout on."""
    lab = begin()
    lab.run_until(lambda state: state.guardrails["verdicts"].test.canary_units > 50)
    lab.world.hidden = {"verdicts", "verdicts[site=a]", "verdicts[site=b]"}
    assert lab.run().phase == "rolled back"  # blind for too long, as the plan says
    return lab


def labels_of_one_arm() -> Lab:
    lab = begin()
    usual = lab.world._judge

    def judge(version, labels, cell):
        if version == "v1":
            usual(version, labels, cell)

    setattr(lab.world, "_judge", judge)  # noqa: B010  # a method
    lab.run(60)
    return lab


def say(lab: Lab, command: Command) -> None:
    spoken = HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command=command, actor="ada")
    lab.journal.append([spoken], lab.entries[-1].seq)


def paused_for_good() -> Lab:
    lab = begin()
    lab.run(10)
    say(lab, "pause")
    lab.run(20)
    assert lab.state.phase == "paused"
    return lab


def undone() -> Lab:
    """Paused, resumed, promoted and undone."""
    lab = Lab(GOOD, plan=plan(guardrails=[ERRORS]))
    lab.run(10)
    say(lab, "pause")
    lab.run(10)
    say(lab, "resume")
    assert lab.run().phase == "promoted"
    say(lab, "undo")
    lab.run_until(lambda state: state.phase == "undone")
    return lab


def silent(version: str) -> Callable[[], Lab]:
    def make() -> Lab:
        lab = begin()
        usual = lab.world._one

        def answer(arm, counted, since, metric):
            return None if counted[0] == version else usual(arm, counted, since, metric)

        setattr(lab.world, "_one", answer)  # noqa: B010  # a method
        lab.run(60)
        return lab

    return make


def all_alike() -> Lab:
    """No unit is bad, and all values are in one bucket."""
    alike = Behaviour(errors=0.0, sigma=1e-9, fails=0.0)
    latency = {"name": "latency", "template": "envoy/latency", "tolerance": "25%"}
    own = plan(guardrails=[ERRORS, WORDS, latency], goals=[{"guardrail": "errors"}])
    lab = Lab(alike, plan=own)
    lab.world.behaviours = {"v1": alike, "v2": alike}
    lab.run(40)
    return lab


def nine_tiny_segments() -> Lab:
    values = [*map(str, range(10))]
    segments = [{"label": "site", "values": values}]
    lab = Lab(
        GOOD, plan=plan(guardrails=[ERRORS], goals=[{"guardrail": "errors"}], segments=segments)
    )
    lab.world.often = {f"[site={value}]": 0.0005 for value in values[1:]}
    lab.run(60)
    return lab


def pairs_without(**world: float) -> Callable[[], Lab]:
    def make() -> Lab:
        margin = {"absolute": "10%"}
        pairs = {"name": "preferred", "pairs": {"series": "summary_pairs_total"}, "margin": margin}
        own = plan(guardrails=[ERRORS, pairs], goals=[{"guardrail": "preferred"}])
        lab = Lab(GOOD, plan=own, rate=20.0)
        for name, value in world.items():
            setattr(lab.world, name, value)
        lab.run(40)
        return lab

    return make


WORLDS: dict[str, tuple[Callable[[], Lab], str]] = {
    "one look only": (one_look, ""),
    "a metric renamed in mid-flight": (renamed, "verdicts"),
    "labels of one version only": (labels_of_one_arm, "verdicts"),
    "paused": (paused_for_good, ""),
    "paused, resumed and undone": (undone, ""),
    "no data of the canary": (silent("v2"), "errors"),
    "no data of stable": (silent("v1"), "errors"),
    "all alike": (all_alike, ""),
    "ten segments, nine tiny": (nine_tiny_segments, ""),
    "ties only": (pairs_without(ties=1.0), ""),
    "one first place only": (pairs_without(canary_first=1.0), ""),
}


@pytest.fixture(scope="module", params=WORLDS)
def wrong(request) -> tuple[Experiment, str]:
    make, blind = WORLDS[request.param]
    return Experiment(history(make().entries)), blind


@pytest.mark.usefixtures("undrawn")
def test_nothing_that_an_experiment_offers_breaks_or_has_a_nan(wrong):
    exp, _ = wrong
    assert list_flaws(exp) == []


def test_what_is_missing_is_told(wrong):
    exp, blind = wrong
    rows = {row["guardrail"]: row for row in exp.scorecard().to_dict("records")}
    if blind:
        assert rows[blind]["verdict"] in {"blind", "undecided"}
        asked = exp.health()
        own = asked[asked["question"].str.startswith(blind) & (asked["status"] != "ok")]
        assert len(own), asked.to_string()
    assert str(exp)
    assert exp._repr_html_()


def test_what_was_never_compared_is_not_enough_in_every_table_that_compares(wrong):
    exp, _ = wrong
    rows = exp.scorecard().to_dict("records")
    silent = {row["guardrail"] for row in rows if not row["canary_units"]}
    silent -= {*exp.pairs()["guardrail"]}  # pairs have a table of their own
    for table in (exp.uplift(), exp.sensitivity()):
        own = table[table["canary_units"] == 0]
        assert silent <= set(own["guardrail"])
        notes = own["note"].str
        assert (notes.startswith("not enough: ") | notes.startswith("blind")).all()


def test_what_is_blind_is_so_in_every_table_as_recorded(wrong):
    exp, _ = wrong
    scores, cases = exp.scorecard(), exp.sensitivity()
    blind = set(scores[scores["verdict"] == "blind"]["guardrail"])
    recorded = cases[(cases["case"] == "as recorded") & cases["note"].str.startswith("blind")]
    assert set(recorded["guardrail"]) == blind


def test_one_look_is_counted_as_one(wrong):
    exp, _ = wrong
    assert not exp.health()["answer"].str.contains(r"\b1 looks").any()
