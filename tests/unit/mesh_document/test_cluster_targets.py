"""A mesh document as objects of a cluster: Istio's, and the Gateway API's."""

import pytest
import yaml

from rollout.errors import PlanError
from rollout.mesh_document.targets.compiled import Options
from rollout.mesh_document.targets.compilers import compile_mesh
from rollout.plan.fields.units import exact_duration
from rollout.plan.model.plan import Plan
from rollout.route.gateway.rules import weighted_routes as gateway_routes
from rollout.route.istio.destinations import weighted_routes as istio_routes
from rollout.route.policy.istio import route_fields, rule_fields
from tests.support.mesh_documents import ALLOWED, EXAMPLE, compiled, mesh, objects, source_of, split

DOCUMENT = EXAMPLE.read_text()
CANARY = split("canary", ("summarizer", 90), ("summarizer-v2", 10))


def plans(compilation):
    return {
        name: Plan.model_validate(yaml.safe_load(text))
        for name, text in compilation.files.items()
        if name.startswith("plans/")
    }


def remarks(compilation, *path):
    return [remark for remark in compilation.remarks if remark.path[: len(path)] == path]


def test_each_key_of_the_example_becomes_what_the_manual_says_of_istio():
    built = objects(compiled(DOCUMENT, "istio"))
    rules = {
        name: body["spec"]["trafficPolicy"]
        for (kind, name), body in built.items()
        if kind == "DestinationRule"
    }
    assert (
        rules["summarizer"]
        == rules["summarizer-v2"]
        == {
            "outlierDetection": {
                "consecutive5xxErrors": 3,
                "interval": "10s",
                "baseEjectionTime": "30s",
                "maxEjectionPercent": 50,
            },
            "loadBalancer": {"simple": "LEAST_REQUEST"},
            "tls": {"mode": "ISTIO_MUTUAL"},
        }
    )
    assert rules["coder"]["loadBalancer"] == {
        "consistentHash": {"httpHeaderName": "x-conversation"},
        "localityLbSetting": {
            "enabled": True,
            "failover": [{"from": "europe-west1", "to": "europe-west4"}],
        },
    }
    (http,) = built["VirtualService", "coder"]["spec"]["http"]
    assert http["timeout"] == "30s"
    assert http["retries"] == {
        "attempts": 2,
        "retryOn": "connect-failure,refused-stream",
        "backoff": "0.1s",
    }
    assert built["PeerAuthentication", "clinical-mesh"]["spec"] == {"mtls": {"mode": "STRICT"}}
    (rule,) = built["AuthorizationPolicy", "clinical-mesh"]["spec"]["rules"]
    assert rule == {"from": [{"source": {"principals": [*ALLOWED]}}]}


def test_the_routes_of_plans_begin_at_100_and_0_in_a_file_of_their_own():
    (route,) = objects(compiled(DOCUMENT, "istio"), "routes.yaml").values()
    (http,) = route["spec"]["http"]
    weights = {entry["destination"]["host"]: entry["weight"] for entry in http["route"]}
    assert weights == {"summarizer": 100, "summarizer-v2": 0}
    (route,) = objects(compiled(DOCUMENT, "gateway"), "routes.yaml").values()
    (rule,) = route["spec"]["rules"]
    assert {ref["name"]: ref["weight"] for ref in rule["backendRefs"]} == weights


@pytest.mark.parametrize("target", ["istio", "gateway"])
def test_a_plan_moves_the_route_that_was_written_for_it(target):
    compilation = compiled(DOCUMENT, target)
    (route,) = objects(compilation, "routes.yaml").values()
    moved = istio_routes if target == "istio" else gateway_routes
    for plan in plans(compilation).values():
        (weighted,) = moved(route, plan)
        assert (weighted.weight("stable"), weighted.weight("canary")) == (100, 0)


def test_a_plan_s_policy_says_what_the_manifests_say():
    """The same translation stands in both, so a rollout moves no field of the policy."""
    settings = {"retries": {"attempts": 2, "backoff": "100ms"}, "timeout": "3s"}
    document = mesh({"name": "summarizer", **settings}, trafficPolicies=[CANARY])
    compilation = compiled(document, "istio")
    (route,) = objects(compilation, "routes.yaml").values()
    (plan,) = plans(compilation).values()
    assert plan.spec.policy is not None
    wanted = route_fields(route, plan, plan.spec.policy)
    (http,) = route["spec"]["http"]
    written: dict[tuple[str, ...], object] = {("timeout",): http["timeout"]}
    written |= {("retries", key): value for key, value in http["retries"].items()}
    assert {path[1:]: value for path, value in wanted.items()} == written
    assert not rule_fields(plan.spec.policy), "two hosts have no DestinationRule in a plan"


def test_the_share_of_errors_never_becomes_a_share_of_ejected_hosts():
    breaker = {"circuitBreaker": {"errorThreshold": "37%"}}
    probe = {"loadBalancer": {"algorithm": "round_robin", "healthCheck": {}}}
    document = mesh({"name": "a", **breaker, **probe}, {"name": "b", **breaker})
    compilation = compiled(document, "istio")
    assert "37" not in compilation.files["mesh.yaml"]
    assert ("DestinationRule", "b") not in objects(compilation)
    for index in (0, 1):
        (remark,) = remarks(compilation, "spec", "services", index, "circuitBreaker")
        assert (remark.outcome, remark.path[-1]) == ("left out", "errorThreshold")


def test_the_probe_of_the_pods_that_says_the_same_is_printed():
    probe = {"algorithm": "round_robin", "healthCheck": {"interval": "1500ms", "threshold": 4}}
    compilation = compiled(mesh({"name": "a", "loadBalancer": probe}), "istio")
    (remark,) = remarks(compilation, "spec", "services", 0, "loadBalancer", "healthCheck")
    assert remark.outcome == "changed"
    printed = remark.why.partition("readinessProbe: ")[2]
    assert yaml.safe_load(printed) == {
        "tcpSocket": {"port": "http"},
        "periodSeconds": 2,
        "failureThreshold": 4,
    }


@pytest.mark.parametrize(
    ("weights", "stable", "steps"),
    [
        ([("summarizer", 90), ("summarizer-v2", 10)], "summarizer", ["10%", "25%", "50%"]),
        ([("summarizer-v2", 90), ("summarizer", 10)], "summarizer", ["90%"]),
        (
            [("summarizer-v2", 3), ("summarizer-v1", 97)],
            "summarizer-v1",
            ["3%", "5%", "25%", "50%"],
        ),
        ([("summarizer-v2", 50), ("summarizer-v1", 50)], "summarizer-v2", ["50%"]),
        ([("summarizer", 100), ("summarizer-v2", 0)], "summarizer", ["1%", "5%", "25%", "50%"]),
        ([("summarizer", 0), ("summarizer-v2", 100)], "summarizer", ["99%"]),
        (
            [("summarizer", 99.5), ("summarizer-v2", 0.5)],
            "summarizer",
            ["0.5%", "1%", "5%", "25%", "50%"],
        ),
        ([("coder", 60), ("summarizer", 40)], "coder", ["40%", "50%"]),
    ],
)
def test_which_version_is_stable_and_where_the_ramp_begins(weights, stable, steps):
    document = mesh("summarizer", "coder", trafficPolicies=[split("canary", *weights)])
    (plan,) = plans(compiled(document, "istio")).values()
    assert plan.spec.stable.version == stable
    assert plan.document()["spec"]["ramp"]["steps"] == steps


def test_a_version_that_is_a_service_itself_is_still_the_canary():
    document = mesh("summarizer-v2", "summarizer", trafficPolicies=[CANARY])
    (plan,) = plans(compiled(document, "istio")).values()
    assert (plan.spec.service, plan.spec.canary.version) == ("summarizer", "summarizer-v2")


def test_a_version_of_one_service_that_another_splits_to_has_its_own_settings_once():
    policies = [split("one", ("a", 90), ("a-v2", 10)), split("other", ("b", 90), ("a-v2", 10))]
    balanced = {"name": "a", "loadBalancer": {"algorithm": "least_connections"}}
    compilation = compiled(mesh(balanced, "b", trafficPolicies=policies), "istio")
    hosts = [d["metadata"]["name"] for d in yaml.safe_load_all(compilation.files["mesh.yaml"])]
    assert hosts == ["a", "a-v2"]
    assert "told nothing" not in str(compilation.remarks), "a plan moves `b`"


def test_a_match_is_a_segment_and_the_plans_of_one_service_run_in_turn():
    compilation = compiled(DOCUMENT, "istio")
    ward = plans(compilation)["plans/by-ward.yaml"]
    assert ward.spec.traffic is not None
    assert ward.spec.traffic.segment is not None
    assert ward.spec.traffic.segment.key[1].regex == "icu-.*"
    assert ward.document()["spec"]["ramp"]["steps"] == ["50%", "100%"]
    assert compilation.commands[-1] == "surefoot run plans/canary-rollout.yaml"
    (remark,) = remarks(compilation, "spec", "trafficPolicies", 1, "name")
    assert "one rollout at a time" in remark.why


def test_the_ladder_and_the_guardrails_are_said_to_be_ours():
    for target in ("istio", "gateway"):
        compilation = compiled(DOCUMENT, target)
        (first, *_) = remarks(compilation, "spec", "trafficPolicies", 0, "routes")
        assert "the guardrails (errors) are Surefoot's" in first.why
        assert compilation.files["plans/canary-rollout.yaml"].startswith("# The first step and")


@pytest.mark.parametrize("target", ["istio", "gateway"])
def test_an_authorization_without_anybody_who_may_ask_is_refused(target):
    with pytest.raises(PlanError, match="P034 an empty policy denies everything"):
        compile_mesh(source_of(DOCUMENT), target, Options())


def test_an_authorization_without_mtls_is_refused():
    security = {"mtls": {"mode": "DISABLE"}, "authorization": {"enabled": True}}
    with pytest.raises(PlanError, match="without mTLS nobody has a principal"):
        compiled(mesh("a", security=security), "istio")


def test_what_the_gateway_api_lacks_is_left_out_key_by_key():
    compilation = compiled(DOCUMENT, "gateway")
    left = {r.path[-1] for r in compilation.remarks if r.outcome == "left out"}
    assert left == {
        "loadBalancer",
        "errorThreshold",
        "retries",
        "fallback",
        "failover",
        "mode",
        "enabled",
    }
    (route,) = objects(compilation).values()
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "30s"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(30, "30s"), (0.001, "1ms"), (5400.25, "1h30m250ms"), (60, "1m")]
)
def test_durations_as_the_gateway_api_spells_them(seconds, text):
    assert exact_duration(seconds) == text


def test_the_namespace_is_the_option_s_then_the_document_s():
    document = mesh({"name": "a", "timeout": "3s"})
    document["metadata"]["namespace"] = "ward"
    for given, wanted in (({}, "ward"), ({"namespace": "other"}, "other")):
        (built,) = objects(compiled(document, "istio", **given)).values()
        assert built["metadata"]["namespace"] == wanted


def test_a_service_of_another_namespace_is_inside_and_configured_there():
    whole = {"name": "coder.lab.svc", "timeout": "3s"}
    document = mesh("summarizer", whole, security={"mtls": {"mode": "STRICT"}})
    for target, kinds in (
        ("istio", ["DestinationRule", "VirtualService", "PeerAuthentication"]),
        ("gateway", ["HTTPRoute"]),
    ):
        compilation = compiled(document, target)
        text = compilation.files["mesh.yaml"]
        spaces = {d["kind"]: d["metadata"]["namespace"] for d in yaml.safe_load_all(text)}
        assert spaces == dict.fromkeys(kinds, "lab")
        assert "svc" not in text, "short names mean the object's own namespace"
        assert not any("ServiceEntry" in remark.why for remark in compilation.remarks)
    text = compiled(document, "istio").files["mesh.yaml"]
    peers = [d for d in yaml.safe_load_all(text) if d["kind"] == "PeerAuthentication"]
    assert [peer["metadata"]["namespace"] for peer in peers] == ["default", "lab"]
