"""The plans' definition on a real API server: what it takes, and what it refuses by itself."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.live.operating import EXAMPLES, PLANS, example
from tests.live.pipeline import surefoot

pytestmark = pytest.mark.live

COPIES = {"share": "0%", "lasts": "1m"}
UNTESTED = {"header": {"name": "x-ward"}}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_taken_as_it_is(cluster, namespace, path):
    document = yaml.safe_load(path.read_text())
    document["metadata"]["namespace"] = namespace
    cluster.apply(document)
    stored = cluster.get("plan", document["metadata"]["name"], "-n", namespace)
    assert stored["spec"] == document["spec"], "nothing is filled in and nothing is lost"


def test_what_is_wrong_by_type_or_range_is_refused(cluster, namespace):
    def refusal(change):
        document = example(namespace)
        change(document["spec"])
        answer = cluster.ask("POST", PLANS.format(namespace), document)
        assert answer.get("code") == 422, answer
        return re.sub(r"\[\d+\]", "", answer["message"])

    errors, latency = (lambda spec, at=at: spec["guardrails"][at] for at in (0, 1))
    wrong = {
        "spec.interval": lambda spec: spec.update(interval=30),
        "spec.warmup": lambda spec: spec.update(warmup="two minutes"),
        "spec.ramp.steps": lambda spec: spec["ramp"].update(steps=[0.05]),
        "spec.ramp.bake": lambda spec: spec["ramp"].pop("bake"),
        "spec.ramp": lambda spec: spec["ramp"].update(harmBudget=1, min="1%", max="5%"),
        "spec.guardrails": lambda spec: spec.update(guardrails=[]),
        "spec.guardrails.margin.ratio": lambda spec: errors(spec)["margin"].update(ratio=0.5),
        "spec.guardrails.importance": lambda spec: errors(spec).update(importance=0),
        "spec.guardrails.template": lambda spec: errors(spec).update(template="my/errors"),
        "spec.guardrails.tolerance": lambda spec: latency(spec).update(tolerance="ten"),
        "spec.service": lambda spec: spec.pop("service"),
        "spec.whenInconclusive": lambda spec: spec.update(whenInconclusive="hope"),
        "spec.confidence.falseRollback": lambda s: s["confidence"].update(falseRollback="one"),
        "spec.confidence.falsePromotion": lambda s: s["confidence"].update(falsePromotion=0.5),
        "spec.holdback.share": lambda spec: spec.update(holdback={"share": "120%"}),
        "spec.traffic.mirror.share": lambda s: s.update(traffic={"mirror": COPIES}),
        "spec.traffic.segment.header": lambda s: s.update(traffic={"segment": UNTESTED}),
    }
    for case, change in wrong.items():
        assert case in refusal(change)


def test_a_guardrail_needs_the_margin_or_tolerance_of_its_template(cluster, namespace):
    document = example(namespace)
    del document["spec"]["guardrails"][1]["slower"]
    done = cluster.kubectl("apply", "-f", "-", given=document)
    assert done.returncode == 1
    assert "spec.guardrails" in done.stderr


def test_a_number_may_stand_for_a_percentage(cluster, namespace):
    document = example(namespace)
    del document["spec"]["guardrails"][1]["slower"]
    document["spec"]["guardrails"][1]["tolerance"] = 0.1
    document["spec"]["confidence"] = {"falseRollback": 0.01, "falsePromotion": "5%"}
    cluster.apply(document)


def test_the_definition_is_what_surefoot_prints(cluster):
    printed = surefoot("schema", "--crd").stdout
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", given=printed)
    assert done.returncode == 0, done.stderr


BEYOND = {"than": "250ms", "margin": {"absolute": "1%"}}
FITTING = {"margin": {"absolute": "1%"}, "limit": "2%", "never": {"count": 1}}
VALUES = {
    "tolerance": 0.5,
    "slower": {**BEYOND, "than": 250},
    "above": {"value": 4000, "margin": {"ratio": 1.5}},
    "below": {"score": 0.6, "margin": {"absolute": "1%"}},
}


def test_each_kind_of_guardrail_is_taken_and_no_two_at_once(cluster, namespace):
    def apply(name, allowed):
        document = example(namespace)
        document["spec"]["guardrails"] = [{"name": "it", "template": name, **allowed}]
        return cluster.ask("POST", f"{PLANS.format(namespace)}?dryRun=All", document)

    for name, kinds, others in (
        ("istio/errors", FITTING, VALUES),
        ("istio/latency", {**VALUES, "slower": BEYOND}, FITTING),
    ):
        for key, value in kinds.items():
            stored = apply(name, {key: value})
            assert stored.get("spec", {}).get("guardrails", [{}])[0].get(key) == value, stored
            second = next(other for other in kinds if other != key)
            assert apply(name, {key: value, second: kinds[second]}).get("code") == 422
        assert {apply(name, {key: of}).get("code") for key, of in others.items()} == {422}
        assert apply(name, {}).get("code") == 422
    assert apply("istio/latency", {"slower": {**BEYOND, "than": "soon"}}).get("code") == 422
    assert apply("istio/errors", {"never": {"count": 0}}).get("code") == 422


def test_a_ratio_of_sums_has_a_bound_or_none_and_no_limit_of_a_test(cluster, namespace):
    sums = {"sum": {"series": "tokens_total"}, "count": {"series": "calls_total"}}

    def apply(**guardrail):
        document = example(namespace)
        document["spec"]["guardrails"].append({"name": "it", **guardrail})
        answer = cluster.ask("POST", f"{PLANS.format(namespace)}?dryRun=All", document)
        return answer.get("code", 201)

    labels = {"labels": {"version": "v"}}
    for metric in ({"ratio": sums, **labels}, {"template": "genai/tokens"}):
        assert apply(**metric) == apply(**metric, times=1.5) == apply(**metric, times="150%") == 201
        for key, value in {**FITTING, **VALUES}.items():
            assert apply(**metric, **{key: value}) == 422
    assert apply(template="istio/errors", times=2) == 422
    assert apply(template="istio/errors", margin={"ratio": 2}, times=2) == 422
    # What a template of the namespace is, the controller finds out.
    assert apply(template="team-errors", margin={"ratio": 2}) == apply(template="team-sums") == 201


def test_pods_are_a_block_or_a_word(cluster, namespace):
    def apply(pods):
        document = example(namespace)
        document["spec"]["pods"] = pods
        return cluster.ask("POST", f"{PLANS.format(namespace)}?dryRun=All", document)

    for good in ("none", {"label": "pod", "canary": 2}, {"canary": 2}):
        assert apply(good).get("spec", {}).get("pods") == good
    for wrong in ({"label": "a-b"}, {"label": "pod", "canary": 0}, {"history": "6h"}):
        assert apply(wrong).get("code") == 422
