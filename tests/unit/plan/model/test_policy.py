"""What a plan may say of its mesh's policy, and what a mesh cannot carry out."""

import pytest
from pydantic import ValidationError

from rollout.errors import PlanError
from rollout.plan.model.plan import Plan
from rollout.plan.reading.load import load
from tests.support.routes import plan

LOCAL = {"file": "routes.yaml", "admin": "http://127.0.0.1:9901"}
BARE = {"envoy": LOCAL}
ENVOY = {"envoy": LOCAL | {"clusterFile": "clusters.yaml"}}
ISTIO = {"istio": {"virtualService": "reviews", "destinationRule": "reviews"}}
GATEWAY = {"gateway": {"httpRoute": "reviews"}}

RETRIES = {"retries": {"attempts": 2, "perTry": "2s", "when": ["5xx"]}}
SHARED = {
    "outliers": {"consecutiveErrors": 3},
    "connections": {"max": 10, "pending": 5, "requests": 20},
    "balance": {"method": "hash", "header": "x-conversation"},
    "timeout": "30s",
    **RETRIES,
}
EAST = {"locality": {"failover": [{"from": "east", "to": "west"}]}}
MTLS = {"mtls": {"mode": "strict", "peerAuthentication": "reviews"}}
BUDGET = {"retries": {"attempts": 2, "budget": "20%"}}


def asked(route, policy, **spec):
    document = plan(route).document()
    document["spec"] |= {"policy": policy, **spec}
    return document


def problems(route, policy, **spec):
    with pytest.raises(ValidationError) as error:
        Plan.model_validate(asked(route, policy, **spec))
    return [
        (
            ".".join(map(str, details["loc"])).removeprefix("spec.policy"),
            details["type"],
            details["msg"],
        )
        for details in error.value.errors()
    ]


@pytest.mark.parametrize(
    ("route", "policy"),
    [
        (BARE, {"timeout": "30s", **RETRIES}),
        (ENVOY, {**SHARED, **BUDGET, "fallback": True}),
        (ISTIO, {**SHARED, **EAST, **MTLS}),
        ({"istio": {"virtualService": "reviews"}}, {"timeout": "30s", **RETRIES}),
    ],
)
def test_what_each_mesh_can_do(route, policy):
    parsed = Plan.model_validate(asked(route, policy))
    assert Plan.model_validate(parsed.document()) == parsed


@pytest.mark.parametrize("pods", ["", "app", "app=", "app=a,", "app in (a)", "app!=a", "a=b=c"])
def test_pods_are_told_by_labels_and_not_by_less(pods):
    mtls = {**MTLS["mtls"], "create": {"pods": pods}}
    ((key_path, _, _),) = problems(ISTIO, {"mtls": mtls})
    assert key_path == ".mtls.create.pods"


def test_no_policy_is_the_plan_that_it_was():
    assert "policy" not in plan(ENVOY).document()["spec"]


@pytest.mark.parametrize(
    ("route", "policy", "places"),
    [
        (GATEWAY, SHARED, {f".{key}" for key in SHARED}),
        (ENVOY, {**EAST, **MTLS}, {".locality", ".mtls"}),
        (BARE, {**SHARED, "fallback": True}, {f".{k}" for k in ("outliers", "connections")}
         | {".balance", ".fallback"}),
        (BARE, BUDGET, {".retries.budget"}),
        (ISTIO, {"fallback": True, **BUDGET}, {".fallback", ".retries.budget"}),
        (ISTIO, EAST, {".locality"}),
        ({"istio": {"virtualService": "reviews"}}, {**SHARED, **MTLS},
         {".outliers", ".connections", ".balance", ".mtls"}),
        ({"istio": {"virtualService": "reviews", "tcp": [{"port": 1}]}}, {"timeout": "1s"},
         {".timeout"}),
    ],
)  # fmt: skip
def test_what_a_mesh_does_not_have_is_said_at_its_key(route, policy, places):
    found_problems = problems(route, policy)
    assert {path for path, _, _ in found_problems} == places
    assert {code for _, code, _ in found_problems} == {"P021"}


@pytest.mark.parametrize(
    ("policy", "key_path", "code"),
    [
        ({"connections": {}}, ".connections", "P004"),
        ({"balance": {"method": "hash"}}, ".balance", "P016"),
        ({"balance": {"method": "hash", "header": "a", "cookie": "b"}}, ".balance.cookie", "P016"),
        ({"balance": {"method": "roundRobin", "header": "a"}}, ".balance.header", "P016"),
        ({"outliers": {"most": "0%"}}, ".outliers.most", "P006"),
        ({"timeout": "0s"}, ".timeout", "P006"),
        ({"mtls": {"mode": "strict", "create": {"pods": "app=a"}}}, ".mtls.create", "P022"),
    ],
)
def test_mistakes_within_a_policy(policy, key_path, code):
    assert [(actual_path, of) for actual_path, of, _ in problems(ISTIO, policy)] == [
        (key_path, code)
    ]


def test_one_route_hashes_one_key():
    balance = {"balance": {"method": "hash", "header": "x-conversation"}}
    ((key_path, _, text),) = problems(ENVOY, balance, traffic={"affinity": {"header": "x-user"}})
    assert (key_path, text) == (
        ".balance",
        "`traffic.affinity` has another key, but a route of Envoy hashes only one",
    )
    Plan.model_validate(asked(ENVOY, balance, traffic={"affinity": {"header": "x-conversation"}}))


def test_a_choice_of_causes_is_spelt_out():
    text = """
apiVersion: surefoot.dev/v1alpha1
kind: RolloutPlan
metadata: {name: a}
spec:
  service: s
  stable: {version: v1}
  canary: {version: v2}
  route: {envoy: {file: f, admin: "http://127.0.0.1:1"}}
  ramp: {steps: [5%], bake: 1m}
  guardrails: [{name: e, template: envoy/errors, margin: {absolute: 1%}}]
  policy: {retries: {attempts: 1, when: [connect-failur]}}
"""
    with pytest.raises(PlanError, match=r"12:42 P006 .* \(did you mean `connect-failure`\?\)"):
        load(text, "plan.yaml")


def test_two_hosts_are_told_what_they_can_have_and_not_to_name_what_they_may_not():
    two = {"istio": {"virtualService": "reviews", "hosts": {"stable": "one", "canary": "two"}}}
    ((_, code, text),) = problems(two, {"outliers": {}, "timeout": "3s"})
    assert (code, "destinationRule" in text, "`retries` and `timeout`" in text) == (
        "P021",
        False,
        True,
    )
