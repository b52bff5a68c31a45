"""A mesh document as an Envoy on this machine."""

import pytest
import yaml

from rollout.decide.record.split import Split
from rollout.errors import PlanError
from rollout.mesh_document.targets.compiled import Options
from rollout.mesh_document.targets.compilers import compile_mesh
from rollout.mesh_document.targets.endpoints import parse_address, parse_endpoints
from rollout.plan.model.plan import Plan
from rollout.route.envoy.bootstrap import SocketAddress
from rollout.route.envoy.proxy import arms_of
from rollout.route.envoy.weights import split_of
from rollout.route.policy.files import differences, settled_clusters, settled_routes
from tests.support.mesh_documents import compiled, mesh, source_of, split

CANARY = split("canary", ("a", 90), ("a-v2", 10))


def files(document):
    compilation = compiled(document, "envoy")
    return {name: yaml.safe_load(text) for name, text in compilation.files.items()}


def clusters(document):
    return {c["name"]: c for c in files(document)["watched/clusters.yaml"]["resources"]}


def action(document, service):
    (config,) = files(document)[f"watched/routes-{service}.yaml"]["resources"]
    (route,) = config["virtual_hosts"][0]["routes"]
    return route["route"]


def test_a_breaker_is_envoy_s_failure_percentage_with_its_least_of_requests():
    breaker = {"circuitBreaker": {"errorThreshold": "37%"}}
    cluster = clusters(mesh({"name": "a", **breaker}))["a"]
    detection = cluster["outlier_detection"]
    assert detection["failure_percentage_threshold"] == 37
    assert detection["enforcing_failure_percentage"] == 100
    assert detection["failure_percentage_request_volume"] == 50
    assert detection["max_ejection_percent"] == 100, "it is a share of errors, not of hosts"
    assert detection["enforcing_consecutive_5xx"] == 0, "errors in a row are no share"
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


def test_a_breaker_that_is_off_is_not_there_and_reported():
    document = mesh({"name": "a", "circuitBreaker": {"enabled": False, "errorThreshold": "9%"}})
    assert "outlier_detection" not in clusters(document)["a"]
    (remark,) = compiled(document, "envoy").remarks
    assert (remark.outcome, remark.why) == ("left out", "the breaker is not enabled")


def test_a_share_that_is_no_whole_per_cent_is_rounded_and_said():
    document = mesh({"name": "a", "circuitBreaker": {"errorThreshold": "0.4%"}})
    assert clusters(document)["a"]["outlier_detection"]["failure_percentage_threshold"] == 1
    (remark,) = compiled(document, "envoy").remarks
    assert remark.why == "Envoy knows whole per cents: it opens at 1 %"


def test_a_health_check_is_an_active_probe():
    probe = {"algorithm": "round_robin", "healthCheck": {"interval": "700ms", "threshold": 4}}
    cluster = clusters(mesh({"name": "a", "loadBalancer": probe}))["a"]
    assert cluster["lb_policy"] == "ROUND_ROBIN"
    assert cluster["health_checks"] == [
        {
            "timeout": "0.7s",
            "interval": "0.7s",
            "no_traffic_interval": "0.7s",
            "unhealthy_threshold": 4,
            "healthy_threshold": 1,
            "tcp_health_check": {},
        }
    ]
    assert "outlier_detection" not in cluster


def test_a_hash_stands_at_the_route_and_at_the_cluster():
    balancer = {"algorithm": "consistent_hash", "cookie": "user"}
    document = mesh({"name": "a", "loadBalancer": balancer})
    assert clusters(document)["a"]["lb_policy"] == "RING_HASH"
    assert action(document, "a")["hash_policy"] == [{"cookie": {"name": "user"}}]


def falls(name, other, **more):
    return {"name": name, "fallback": {"service": other}, **more}


def test_a_fallback_is_an_aggregate_that_goes_down_the_whole_chain():
    document = mesh(falls("a", "b"), falls("b", "b-basic"))
    built = clusters(document)
    members = {
        name: cluster["cluster_type"]["typed_config"]["clusters"]
        for name, cluster in built.items()
        if "cluster_type" in cluster
    }
    assert members == {"a_or_b": ["a", "b", "b-basic"], "b_or_b-basic": ["b", "b-basic"]}
    assert built["a_or_b"]["alt_stat_name"] == built["a"]["alt_stat_name"] == "a;a"
    (target,) = action(document, "a")["weighted_clusters"]["clusters"]
    assert target == {"name": "a_or_b", "weight": 100}
    assert built["a"]["outlier_detection"]["max_ejection_percent"] == 100
    assert "outlier_detection" not in built["b-basic"], "nobody is behind it"


def test_a_canary_has_no_fallback_which_would_hide_its_errors():
    document = mesh(falls("a", "a-basic"), trafficPolicies=[CANARY])
    targets = {
        c["name"]: c["weight"] for c in action(document, "a")["weighted_clusters"]["clusters"]
    }
    assert targets == {"a_or_a-basic": 100, "a-v2": 0}
    whys = [remark.why for remark in compiled(document, "envoy").remarks]
    assert any("`a-v2` is on trial and answers for itself" in why for why in whys)


def test_a_version_that_two_services_split_to_is_counted_for_each():
    policies = [CANARY, split("other", ("b", 90), ("a-v2", 10))]
    document = mesh("a", falls("b", "b-basic"), trafficPolicies=policies)
    counted = {name: cluster["alt_stat_name"] for name, cluster in clusters(document).items()}
    assert counted["a-v2_for_a"] == "a;a-v2"
    assert counted["a-v2"] == "b;a-v2"
    plan = files(document)["plans/canary.yaml"]["spec"]["route"]["envoy"]
    assert plan["clusters"] == {"stable": "a", "canary": "a-v2_for_a"}


def test_requests_to_a_version_by_its_own_name_are_not_counted_as_its_rollout_s():
    document = mesh("a", "a-v2", trafficPolicies=[CANARY])
    built = clusters(document)
    assert built["a-v2"]["alt_stat_name"] == "a;a-v2"
    assert built["a-v2_for_a-v2"]["alt_stat_name"] == "a-v2;a-v2"
    (target,) = action(document, "a-v2")["weighted_clusters"]["clusters"]
    assert target["name"] == "a-v2_for_a-v2"


def test_a_plan_s_policy_is_what_is_in_the_files_already():
    """So a rollout's first write moves weights, and its rollback leaves what the document says."""
    balancer = {"algorithm": "consistent_hash", "header": "x-user"}
    settings = {"loadBalancer": balancer, "timeout": "3s", "retries": {"attempts": 1}}
    built = files(mesh({"name": "a", **settings}, trafficPolicies=[CANARY]))
    plan = Plan.model_validate(built["plans/canary.yaml"])
    policy, arms = plan.spec.policy, arms_of(plan)
    assert policy is not None
    assert policy.balance is not None
    routes, listed = built["watched/routes-a.yaml"], built["watched/clusters.yaml"]
    assert split_of(routes, arms, 100) == Split(0)
    assert [*differences(routes, listed, arms, policy)] == []
    with_policy = settled_routes(routes, arms, policy, adopt=False)
    assert settled_routes(with_policy, arms, None, adopt=False) == routes
    with_policy = settled_clusters(listed, arms, policy, adopt=False)
    assert settled_clusters(with_policy, arms, None, adopt=False) == listed


def test_an_edit_of_a_plan_s_policy_is_a_difference():
    written = files(mesh({"name": "a", "timeout": "3s"}, trafficPolicies=[CANARY]))
    plan = Plan.model_validate(written["plans/canary.yaml"])
    routes, listed = written["watched/routes-a.yaml"], written["watched/clusters.yaml"]
    (route,) = routes["resources"][0]["virtual_hosts"][0]["routes"]
    route["route"]["timeout"] = "9s"
    assert plan.spec.policy is not None
    problems = differences(routes, listed, arms_of(plan), plan.spec.policy)
    assert [*problems] == ['routes a: timeout is "9s", not "3s"']


def test_who_is_outside_is_asked_in_plain_text_which_is_said():
    compilation = compiled(mesh(falls("a", "api.example.org"), "b.example.org"), "envoy")
    plain = [remark.path for remark in compilation.remarks if "in plain text" in remark.why]
    assert plain == [
        ("spec", "services", 0, "fallback", "service"),
        ("spec", "services", 1, "name"),
    ]


def test_a_service_that_is_called_like_something_of_ours_has_its_own_cluster():
    document = mesh(falls("a", "b"), "a-or-b", "b", "a-v2", trafficPolicies=[CANARY])
    built = clusters(document)
    addresses = [str(c["load_assignment"]) for c in built.values() if "load_assignment" in c]
    assert {"a", "a-or-b", "b", "a-v2", "a-v2_for_a-v2", "a_or_b"} == built.keys()
    assert len({address.partition("lb_endpoints")[2] for address in addresses}) == 4


def test_versions_with_settings_of_their_own_share_only_what_both_have():
    first, second = ({"algorithm": "round_robin"}, {"algorithm": "least_connections"})
    document = mesh(
        {"name": "a", "loadBalancer": first, "timeout": "3s"},
        {"name": "a-v2", "loadBalancer": second},
        trafficPolicies=[CANARY],
    )
    assert clusters(document)["a-v2"]["lb_policy"] == "LEAST_REQUEST"
    assert files(document)["plans/canary.yaml"]["spec"]["policy"] == {"timeout": "3s"}


@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE"])
def test_mtls_is_refused_without_certificates(mode):
    with pytest.raises(PlanError, match="P034 a local Envoy without certificates cannot speak"):
        compiled(mesh("a", security={"mtls": {"mode": mode}}), "envoy")
    assert compiled(mesh("a", security={"mtls": {"mode": "DISABLE"}}), "envoy").files


def test_every_name_without_an_endpoint_is_told_at_once():
    document = mesh(falls("a", "a-basic"), trafficPolicies=[CANARY])
    with pytest.raises(PlanError) as caught:
        compile_mesh(source_of(document), "envoy", Options())
    hints = {mistake.hint for mistake in caught.value.mistakes}
    names = ("a", "a-basic", "a-v2")
    assert hints == {f"say it: --endpoint {name}=HOST:PORT" for name in names}


def test_the_folder_says_how_it_is_started():
    compilation = compiled(mesh("a", trafficPolicies=[CANARY]), "envoy")
    comments = [line for line in compilation.files["envoy.yaml"].splitlines() if line[0] == "#"]
    assert [line.removeprefix("# ") for line in comments[1:]] == [*compilation.commands]


def test_services_answer_at_ports_in_a_row_until_there_is_none():
    listen = SocketAddress("::1", 65_535)
    assert compiled(mesh("a"), "envoy", listen=listen).addresses == {"a": "http://[::1]:65535"}
    with pytest.raises(PlanError, match="no port is left for its listener"):
        compiled(mesh("a", "b"), "envoy", listen=listen)


def balanced(algorithm, text):
    """A service of these endpoints, as the command line says them."""
    name, addresses = parse_endpoints(text)
    source = source_of(mesh({"name": name, "loadBalancer": {"algorithm": algorithm}}))
    return compile_mesh(source, "envoy", Options(endpoints={name: addresses}))


def test_weights_of_endpoints_are_envoy_s():
    compilation = balanced("weighted", "a=127.0.0.1:1@3,localhost:2")
    (cluster,) = yaml.safe_load(compilation.files["watched/clusters.yaml"])["resources"]
    (group,) = cluster["load_assignment"]["endpoints"]
    weights = [end.get("load_balancing_weight") for end in group["lb_endpoints"]]
    assert (weights, cluster["type"]) == ([3, None], "STRICT_DNS")
    assert compilation.remarks == []
    (remark,) = balanced("weighted", "a=127.0.0.1:1").remarks
    assert remark.why.startswith("no endpoint has a weight, so they are asked in turn")
    with pytest.raises(PlanError, match="P034 it asks in turn, but --endpoint gives weights"):
        balanced("round_robin", "a=127.0.0.1:1@3")


@pytest.mark.parametrize(
    "text",
    [
        *["a", "a=b", "=h:1", "a=h:0", "a=h:70000", "a=h:1@0", "a=h:1@x", "a=h:1@٣", "a=h:1,"],
        *["a=::1:80", "a=[1::2::3]:80", "a=1.2.3:80", "a=999.1.1.1:80", "a=-:80", "a=a..b:80"],
        *["a=http://h:80", "a=h:80,h:80@2", f"a={'h' * 300}:80"],
    ],
)
def test_endpoints_that_say_nothing(text):
    with pytest.raises(ValueError, match=r"HOST:PORT|a weight is a whole number"):
        parse_endpoints(text)


def test_addresses():
    assert parse_address("[::1]:80") == SocketAddress("::1", 80)
    assert parse_address("model_server:80") == SocketAddress("model_server", 80)
    assert parse_address("model.example.org:8443") == SocketAddress("model.example.org", 8443)
