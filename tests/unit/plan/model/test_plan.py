"""A plan's digest and id: the same for every spelling, and usable as a name."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from rollout.plan.fields.base import RECORDED
from rollout.plan.model.plan import Plan
from rollout.plan.reading.files import load_file
from tests.support.worlds import plan as plan_with

EXAMPLES = Path(__file__).parents[4] / "manifests/examples"


@pytest.fixture
def plan():
    return load_file(EXAMPLES / "01-envoy-local.yaml")[0]


def test_spelling_does_not_change_the_digest(plan):
    document = plan.document()
    document["spec"]["ramp"]["bake"] = "120s"
    document["spec"]["interval"] = "0.5m"
    document["spec"]["guardrails"][0]["margin"]["absolute"] = "0.20%"
    document["spec"]["confidence"]["falseRollback"] = 0.01
    assert Plan.model_validate(document).digest == plan.digest


def test_a_default_written_out_is_the_same_plan(plan):
    document = plan.document()
    del document["spec"]["patience"], document["spec"]["onDrift"]
    assert Plan.model_validate(document).id == plan.id


def test_every_change_of_meaning_changes_the_digest(plan):
    document = plan.document()
    document["spec"]["guardrails"][2]["below"]["score"] = 0.7
    assert Plan.model_validate(document).digest != plan.digest


def test_the_longest_name_still_makes_a_label(plan):
    document = plan.document()
    document["metadata"]["name"] = "a" * 54
    longest = Plan.model_validate(document).id
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", longest)
    document["metadata"]["name"] = "a" * 55
    with pytest.raises(ValidationError):
        Plan.model_validate(document)


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", ".", "-a", "a-", "A", "a\n", ""])
def test_names_that_no_file_or_label_could_have(plan, name):
    document = plan.document()
    document["metadata"]["name"] = name
    with pytest.raises(ValidationError):
        Plan.model_validate(document)


@pytest.mark.parametrize("label", ['x"} or up{', "1a", "a-b", ""])
def test_label_names_cannot_carry_a_query(plan, label):
    document = plan.document()
    document["spec"]["guardrails"][0]["labels"] = {"service": label}
    with pytest.raises(ValidationError, match="should match pattern"):
        Plan.model_validate(document)


@pytest.mark.parametrize(
    ("segment", "share", "sound"),
    [("20%", "80%", True), ("20%", "80.01%", False), ("100%", "5%", False), (None, "99%", True)],
)
def test_a_holdback_is_of_all_and_never_leaves_less_than_a_whole_segment_had(
    plan, segment, share, sound
):
    holdback = {"share": segment} if segment else {}
    document = plan.document()
    document["spec"]["ramp"] = {"steps": ["50%", "100%"], "bake": "1m"}
    document["spec"]["traffic"] = {
        "segment": {"header": {"name": "x-team", "exact": "beta"}, **holdback}
    }
    document["spec"]["holdback"] = {"share": share}
    if sound:
        assert Plan.model_validate(document).spec.holdback is not None
        return
    with pytest.raises(
        ValidationError, match="of all traffic, at the top of its segment"
    ) as error_info:
        Plan.model_validate(document)
    assert error_info.value.errors()[0]["type"] == "P008"
    recorded = Plan.model_validate(document, context=RECORDED)
    assert recorded.spec.holdback is not None, "an older journal is still read"


@pytest.mark.parametrize(("share", "sound"), [("50%", True), ("5%", True), ("51%", False)])
def test_a_holdback_never_lowers_the_weight(plan, share, sound):
    document = plan.document()
    document["spec"]["holdback"] = {"share": share}
    if sound:
        assert Plan.model_validate(document).document()["spec"]["holdback"]["lasts"] == "3600s"
        return
    with pytest.raises(ValidationError, match="less than the ramp's 50 %") as caught:
        Plan.model_validate(document)
    assert caught.value.errors()[0]["loc"] == ("spec", "holdback", "share")


def test_full_authority_is_the_same_plan_spelt_out():
    assert plan_with(authority="full").digest == plan_with().digest
    assert plan_with(authority="observe").digest != plan_with().digest


@pytest.mark.parametrize("authority", ["observe", "abort-only"])
def test_who_only_observes_makes_no_route(authority):
    route = {"istio": {"virtualService": "s", "destinationRule": "s", "create": {}}}
    plan_with(route=route, authority="advance")
    with pytest.raises(ValidationError, match="nothing is made: leave `create` out"):
        plan_with(route=route, authority=authority)


def test_a_copy_has_a_digest_of_its_own():
    observing = plan_with(authority="observe")
    assert observing.digest != observing.with_full_authority().digest == plan_with().digest
