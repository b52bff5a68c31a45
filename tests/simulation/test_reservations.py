"""What a conclusion cannot know stands beside it, wherever an analyst reads it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from rollout.cli.text.screen import screen
from rollout.decide.record.facts import Decided
from rollout.experiment.experiment import Experiment
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from rollout.explain.decision.replayed import explain, text
from rollout.explain.status import report
from rollout.journal.memory import MemoryJournal
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.ports import PodHistory
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.pods import past_of, pods_plan
from tests.support.undrawn import leave_charts_out
from tests.support.worlds import Lab, plan

PODS = "if pods do not differ for good (no label tells them apart)"
PAST = "bad units come as in stable's past"
CONDITIONS = {
    "no past": "if requests are independent",
    "totals": f"{PODS} and {PAST}",
    "pods": f"if {PAST}",
}
ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
SPEC: dict[str, Any] = {
    "guardrails": [ERRORS],
    "goals": [{"guardrail": "errors"}],
    "segments": [{"label": "site", "values": ["a", "b"]}],
    "ramp": {"steps": ["50%"], "bake": "8s"},
    "experiment": {"end": {"looks": 200}, "winner": "promote", "early": True},
    "deadline": "2h",
}


class PastOfErrors:
    """An observer of a world that knows its past, by pod or as totals of all."""

    def __init__(self, world: Any, *, is_by_pod: bool) -> None:
        self.world, own = world, past_of(base=0.03, sd=0.02, ticks=2880)
        counts = own["errors"]
        summed = replace(counts, pods=("",), counts=counts.counts.sum(axis=1, keepdims=True))
        self.past = PodHistory({"errors": counts if is_by_pod else summed})

    def observe(self, asks, now):
        return self.world.observe(asks, now)

    def history(self, _ask, _now):
        return self.past


@pytest.fixture(scope="module", params=CONDITIONS)
def lab(request) -> Lab:
    is_by_pod = request.param == "pods"
    own = pods_plan(**SPEC) if is_by_pod else plan(**SPEC)

    def wrap(ports):
        if request.param == "no past":
            return ports
        return replace(ports, observer=PastOfErrors(ports.observer, is_by_pod=is_by_pod))

    rollout = Lab(plan=own, rate=200.0, wrap=wrap)
    rollout.world.behaviours = {"v1": Behaviour(errors=0.03), "v2": Behaviour(errors=0.001)}
    rollout.run(3600)
    assert rollout.state.phase == "promoted"
    rollout.condition = CONDITIONS[request.param]  # type: ignore[attr-defined]
    return rollout


def test_the_decision_s_first_words_say_under_what_it_is_better(lab):
    promotion = next(fact for fact in lab.decisions if fact.action == "promote")
    head, _, _ = promotion.sentence.partition(" of the canary's requests")
    assert f"errors is better, {lab.condition}: " in head
    assert (PODS in promotion.sentence) == (PODS in lab.condition)


def test_every_view_says_it(lab, monkeypatch):
    leave_charts_out(monkeypatch)
    exp = Experiment(history(lab.entries))
    status = report(lab.rollout, lab.state, lab.clock.now())
    console = Console(file=io.StringIO(), width=500)
    console.print(screen([status], []))
    assert isinstance(lab.journal, MemoryJournal)
    pages = PageSet(JournalReader(lab.journal, lab.clock.now, pause=0), lab.journal, Links())
    last = next(e for e in reversed(lab.entries) if isinstance(e.fact, Decided))
    views = {
        "card": repr(exp),
        "card in a notebook": exp._repr_html_(),
        "goals": " ".join(exp.goals()["note"]),
        "uplift": " ".join(exp.uplift()["note"]),
        "scorecard": " ".join(exp.scorecard()["note"]),
        "report": to_page(exp, compose(exp)),
        "watch": console.file.getvalue(),  # type: ignore[attr-defined]
        "page": pages.rollout(lab.rollout),
        "why": text(explain(lab.entries, last.seq)),
    }
    for view, words in views.items():
        plain = words.replace("&#39;", "'").replace("&#x27;", "'")
        assert lab.condition in plain, view
    assert f"errors as a goal: better, {lab.condition}" in views["why"]


def test_the_past_of_the_whole_is_named_for_a_segment(lab):
    exp = Experiment(history(lab.entries))
    own = exp.goals().query("segment != '' and conclusion == 'better'")
    if PAST in lab.condition and len(own):
        assert own["note"].str.contains("stable's past of all errors").all()


def test_charts_name_it_in_their_titles(lab):
    exp = Experiment(history(lab.entries))
    for figure in (exp.plot.goals(), exp.plot.uplift()):
        title = figure.axes[0].get_title(loc="left").replace("\n", " ")
        assert lab.condition in title
