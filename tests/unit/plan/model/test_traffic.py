"""Which requests the canary gets: what a plan may say of it, and what a mesh cannot carry out."""

import pytest
from pydantic import ValidationError

from rollout.errors import PlanError
from rollout.plan.model.plan import Plan, Traffic
from rollout.plan.reading.load import load
from tests.support.routes import plan

ENVOY = {"envoy": {"file": "routes.yaml", "admin": "http://127.0.0.1:9901"}}
ISTIO = {"istio": {"virtualService": "reviews"}}
TLS = {"istio": {"virtualService": "reviews", "tls": [{"sniHosts": ["a.example"]}]}}
HTTP = {"gateway": {"httpRoute": "reviews"}}
GRPC = {"gateway": {"grpcRoute": "reviews"}}
MIRROR = {"mirror": {"share": "50%", "lasts": "10m"}}
WARD = {"segment": {"header": {"name": "x-ward", "exact": "cardiology"}}}
BETA = {"segment": {"query": {"name": "beta", "exact": "1"}}}
USER = {"affinity": {"header": "x-user"}}


def asked(route, traffic):
    document = plan(route).document()
    document["spec"]["traffic"] = traffic
    return document


def problems(route, traffic):
    with pytest.raises(ValidationError) as error:
        Plan.model_validate(asked(route, traffic))
    return [
        (".".join(map(str, details["loc"])), details["type"], details["msg"])
        for details in error.value.errors()
    ]


@pytest.mark.parametrize("traffic", [MIRROR, WARD, BETA, USER, {**MIRROR, **WARD, **USER}])
def test_what_an_envoy_can_do(traffic):
    parsed = Plan.model_validate(asked(ENVOY, traffic))
    assert Plan.model_validate(parsed.document()) == parsed


def test_no_traffic_is_the_plan_that_it_was():
    document = plan(ENVOY).document()
    assert "traffic" not in document["spec"]


def test_a_segment_knows_its_key():
    segment = Traffic.model_validate(WARD).segment
    assert segment is not None
    kind, match = segment.key
    assert (kind, match.name, match.exact, segment.assignment) == (
        "header",
        "x-ward",
        "cardiology",
        "chosen",
    )


@pytest.mark.parametrize(
    ("traffic", "key_path", "code", "expected"),
    [
        ({"affinity": {}}, "affinity", "P016", "needs exactly one of `header` or `cookie`"),
        ({"affinity": {"header": "a", "cookie": "b"}}, "affinity.cookie", "P016", "`header` al"),
        (
            {"segment": {}},
            "segment",
            "P016",
            "needs exactly one of `header` or `cookie` or `query`",
        ),
        (
            {"segment": {"header": {"name": "x"}}},
            "segment.header",
            "P016",
            "needs exactly one of `exact` or `prefix` or `regex`",
        ),
        (
            {"segment": {"header": {"name": "x", "exact": "a", "prefix": "b"}}},
            "segment.header.prefix",
            "P016",
            "`exact` already",
        ),
        (
            {"segment": {"header": {"name": "x", "regex": "(?=a)"}}},
            "segment.header.regex",
            "P006",
            "RE2",
        ),
        (
            {"segment": {"header": {"name": "x", "regex": r"(a)\1"}}},
            "segment.header.regex",
            "P006",
            "RE2",
        ),
        (
            {"segment": {"header": {"name": "x", "regex": "("}}},
            "segment.header.regex",
            "P006",
            "use RE2: missing )",
        ),
        ({"mirror": {"share": "0%", "lasts": "1m"}}, "mirror.share", "P009", "0.01 %"),
        ({"mirror": {"share": "101%", "lasts": "1m"}}, "mirror.share", "P006", "at most 100 %"),
        ({"mirror": {"share": "1%", "lasts": "0s"}}, "mirror.lasts", "P006", "longer than 0s"),
    ],
)
def test_mistakes_are_told_at_their_place(traffic, key_path, code, expected):
    ((where, kind, message),) = problems(ENVOY, traffic)
    assert (where, kind) == (f"spec.traffic.{key_path}", code)
    assert expected in message


@pytest.mark.parametrize(
    ("route", "traffic", "key_path", "expected"),
    [
        (ISTIO, USER, "affinity", "Istio has no affinity between versions"),
        (HTTP, USER, "affinity", "the Gateway API has no affinity between versions"),
        (GRPC, BETA, "segment.query", "a GRPCRoute matches no query parameters"),
        (TLS, WARD, "segment", "name HTTP routes only"),
        (TLS, MIRROR, "mirror", "name HTTP routes only"),
    ],
)
def test_what_a_mesh_does_not_have_is_refused_by_name(route, traffic, key_path, expected):
    ((where, kind, message),) = problems(route, traffic)
    assert (where, kind) == (f"spec.traffic.{key_path}", "P017")
    assert expected in message


def test_a_mistake_has_its_line():
    text = """\
apiVersion: surefoot.dev/v1alpha1
kind: RolloutPlan
metadata: {name: s-v2}
spec:
  service: s
  stable: {version: v1}
  canary: {version: v2}
  route: {istio: {virtualService: s}}
  ramp: {steps: [5%], bake: 2m}
  guardrails: [{name: e, template: istio/errors, margin: {ratio: 2}}]
  traffic:
    affinity: {header: x-user}
"""
    with pytest.raises(PlanError) as error:
        load(text, "plan.yaml")
    (mistake,) = error.value.mistakes
    assert (mistake.line, mistake.column, mistake.code) == (12, 15, "P017")
