"""Templates of a team: documents in a folder, written out in the plans that name them."""

import pytest

from rollout.errors import InputError, PlanError
from rollout.plan.model.templates import SHIPPED
from rollout.plan.reading.load import load
from rollout.plan.reading.templates import load_templates, make_context, text_of_template
from tests.support.plan_text import GOOD

OWN = """\
apiVersion: surefoot.dev/v1alpha1
kind: MetricTemplate
metadata: {name: team/errors}
spec:
  counter: {series: http_total, bad: {status: "=~5.."}}
  labels: {service: app, version: build}
"""
NAMED = GOOD.replace("envoy/errors", "team/errors")
# As it was before metrics could be declared: a rollout's identity must not change with a release.
DIGEST = "33c9c22a35432b6594711d648e56388c39528db5774876a3c7a5298dcc381c53"


def written(tmp_path, text):
    (tmp_path / "own.yaml").write_text(text)
    return make_context(load_templates(tmp_path))


def read(text, context=None):
    (plan,) = load(text, "plan.yaml", context)
    return plan


def test_a_plan_on_shipped_templates_has_the_digest_it_always_had():
    assert read(GOOD).digest == DIGEST


def test_a_plan_holds_what_its_team_s_template_reads(tmp_path):
    plan = read(NAMED, written(tmp_path, OWN))
    document = plan.document()["spec"]["guardrails"][0]
    assert "template" not in document
    assert document["counter"]["series"] == "http_total"
    assert document["labels"] == {"service": "app", "version": "build"}
    # Without the folder the recorded plan is read as it is, whatever becomes of the template.
    assert type(plan).model_validate(plan.document()).digest == plan.digest
    edited = read(NAMED, written(tmp_path, OWN.replace("5..", "5..|429")))
    assert edited.digest != plan.digest


def test_a_guardrail_s_own_labels_come_first(tmp_path):
    arms = "{arms: {stable: {pool: a}, canary: {pool: b}}}"
    text = NAMED.replace("margin: {ratio: 1.25}", f"margin: {{ratio: 1.25}}, labels: {arms}")
    labels = read(text, written(tmp_path, OWN)).spec.guardrails[0].labels
    assert (labels.service, labels.version) == ("app", None)
    assert labels.arms.canary == {"pool": "b"}


def test_a_mistake_in_a_plan_on_a_template_has_its_place(tmp_path):
    text = NAMED.replace(", margin: {ratio: 1.25}", "")
    with pytest.raises(PlanError) as caught:
        load(text, "plan.yaml", written(tmp_path, OWN))
    (mistake,) = caught.value.mistakes
    assert str(mistake).startswith("plan.yaml:14:7 P004 missing key `margin`")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_template_is_the_document_to_copy(tmp_path, name):
    text = text_of_template(SHIPPED[name]).replace(f"name: {name}", "name: own/copy")
    (tmp_path / "copy.yml").write_text(text)
    assert load_templates(tmp_path)["own/copy"].metric == SHIPPED[name].metric


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("series:", "sries:", "own.yaml:5:13 P003 unknown key `sries` in `spec.counter`"),
        ("=~5..", "5..", "own.yaml:5:47 P023 `5..` is exact text here"),
        (
            "team/errors",
            "istio/errors",
            "own.yaml:3:18 P025 the template `istio/errors` is",
        ),
        ("team/errors", "A b", "own.yaml:3:18 P006 must be a name such as `team/errors`"),
        (OWN, f"{OWN}---\n{OWN}", "own.yaml:10:18 P025 the template `team/errors` is defined"),
        ("counter:", "count:", "own.yaml:5:3 P003 unknown key `count` in `spec`"),
        (OWN, "[1, 2", "own.yaml:1:6 P001"),
    ],
)
def test_a_mistake_in_a_template_has_its_place(tmp_path, old, new, expected):
    with pytest.raises(PlanError) as caught:
        written(tmp_path, OWN.replace(old, new, 1))
    first = caught.value.mistakes[0]
    assert str(first).removeprefix(f"{tmp_path}/").startswith(expected)


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(InputError, match="--templates"):
        load_templates(tmp_path / "nothing")
