"""Mesh documents are read whole, or every mistake is reported at its line and column."""

import json
import time
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from rollout.errors import InputError, PlanError
from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.names import find_owner
from rollout.mesh_document.reading.load import load, load_mesh
from rollout.mesh_document.schema import ID, mesh_schema_text
from rollout.plan.fields.codes import CODES
from rollout.plan.kube.json_schema import schema
from rollout.plan.reading.bounds import MOST_MISTAKES
from tests.support.mesh_documents import EXAMPLE, mesh, source_of, split

ROOT = Path(__file__).parents[3]
GOOD = """\
apiVersion: mesh.ai/v1
kind: ServiceMesh
metadata: {name: clinical-mesh}
spec:
  services:
    - name: summarizer
      loadBalancer: {algorithm: least_connections, healthCheck: {interval: 10s, threshold: 3}}
      circuitBreaker: {enabled: true, errorThreshold: 50%}
    - name: coder
      timeout: 30s
      fallback: {service: coder-basic}
  trafficPolicies:
    - name: canary
      routes: [{destination: summarizer, weight: 90}, {destination: summarizer-v2, weight: 10}]
  security: {mtls: {mode: STRICT}, authorization: {enabled: true}}
"""
# What is replaced, by what, and the one mistake that follows.
CASES = [
    (
        "name: coder\n",
        "name: coder\n    - name: summarizer\n",
        "10:13 P010 the name `summarizer` is given twice",
    ),
    (
        "destination: summarizer-v2",
        "destination: sumarizer-v2",
        "14:69 P030 no service of the document is called `sumarizer-v2`, and it is no version",
    ),
    ("coder-basic", "codr", "11:27 P030 no service of the document is called `codr`"),
    ("coder-basic", "coder", "11:27 P031 a cycle of fallbacks: coder -> coder"),
    (
        "coder-basic",
        "api.example.org",
        "11:27 P032 `api.example.org` is outside of the mesh, where nobody speaks its mTLS",
    ),
    ("errorThreshold: 50%", "errorThreshold: 0%", "8:55 P006 must be above 0 % and at most 100 %"),
    ("errorThreshold: 50%", "errorThreshold: 150%", "8:55 P006 must be above 0 % and at most"),
    ("errorThreshold: 50%", "errorThreshold: 50", "8:55 P005 write a percentage with its sign"),
    ("threshold: 3", "threshold: 0", "7:92 P006 must be at least 1"),
    ("interval: 10s", "interval: 10", "7:76 P005 write a duration with its unit: 30s, 2m or 24h"),
    (
        "least_connections",
        "random",
        "7:33 P006 `random` spreads requests worse than any other (write `least_connections`",
    ),
    ("least_connections", "ip_hash", "7:33 P006 `ip_hash` hashes the address of whatever proxy"),
    ("least_connections", "least_conections", "7:33 P006 must be `round_robin` or `least_"),
    ("least_connections", "consistent_hash", "7:21 P016 `consistent_hash` needs either"),
    ("least_connections,", "weighted, header: x-user,", "7:51 P016 only a `consistent_hash` has"),
    (", weight: 90", ", weight: 80", "14:15 P033 the weights make 90, not 100"),
    (
        "weight: 10}]",
        "weight: 9}, {destination: summarizer-v3, weight: 1}]",
        "14:15 P033 3 destinations: a plan moves traffic between two",
    ),
    ("weight: 90}, {destination: summarizer-v2, weight: 10", "weight: 100", "14:15 P033 one dest"),
    ("summarizer-v2", "summarizer", "14:69 P012 both destinations are the same"),
    ("weight: 90", "weight: 90%", "14:50 P005 must be a number, not `90%` (write 90)"),
    ("weight: 90", "weight: 90.005", "14:50 P009 a weight is a multiple of 0.01"),
    ("timeout: 30s", "timeot: 30s", "10:7 P003 unknown key `timeot` in `spec.services[1]` (did"),
    ("timeout: 30s", "timeout: 30s\n      timeout: 31s", "11:7 P002 key `timeout` again, first in"),
    ("timeout: 30s", "timeout:\t30s", "10:15 P001 found character '\\t' that cannot start any"),
    ("timeout: 30s", "timeout: &a [*a]", "10:16 P005 an alias that contains itself"),
    ("timeout: 30s", "timeout: !x 30s", "10:16 P005 mesh documents use no tags such as !x"),
    ("enabled: true}}", "enabled: yess}}", "15:61 P005 must be true or false, not `yess`"),
    ("kind: ServiceMesh\n", "", "1:1 P004 missing key `kind` in the mesh document"),
    ("mode: STRICT", "mode: strict", "15:27 P006 must be `STRICT` or `PERMISSIVE` or `DISABLE`"),
    ("name: clinical-mesh", "name: a..b", "3:18 P006 must have a letter or digit on each side of"),
    ("timeout: 30s", "failover: [{from: a, to: a}]", "10:32 P012 a region cannot take over for"),
    ("timeout: 30s", "failover: [{from: '*', to: a}]", "10:25 P006 must be a region, without"),
    (
        "timeout: 30s",
        "failover: [{from: a, to: b}, {from: a, to: c}]",
        "10:43 P010 another takes over for it already",
    ),
    (", errorThreshold: 50%", "", "8:7 P004 missing key `errorThreshold`: the share at which"),
    (
        "coder-basic",
        "coder.default.svc.cluster.local",
        "11:27 P031 a cycle of fallbacks: coder -> coder",
    ),
    (
        "name: coder\n",
        "name: coder\n    - name: coder.default.svc\n",
        "10:13 P010 the name `coder` is given twice",
    ),
    (
        "coder-basic",
        "coder.svc.cluster.local",
        "11:27 P006 `coder.svc.cluster.local` is inside of a cluster, but names no Service",
    ),
    (
        "destination: summarizer-v2",
        "destination: summarizer-v2.other.svc",
        "14:69 P033 `summarizer-v2.other.svc.cluster.local` is in another namespace",
    ),
    (
        "destination: summarizer-v2",
        "destination: api.example.org",
        "14:69 P033 `api.example.org` is outside of the mesh: a plan moves between its Services",
    ),
]


def mistakes(text):
    with pytest.raises(PlanError) as caught:
        load(text, "mesh.yaml")
    return [str(mistake).removeprefix("mesh.yaml:") for mistake in caught.value.mistakes]


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[case[2][:50] for case in CASES])
def test_one_mistake_is_one_line(old, new, expected):
    assert old in GOOD
    (mistake, *more) = mistakes(GOOD.replace(old, new, 1))
    assert mistake.startswith(expected)
    assert len(more) == ("alias" in expected)  # what contains itself is no duration either


def test_every_code_of_mesh_documents_has_a_case_here_or_is_a_target_s():
    cases = {expected.split()[1] for _, _, expected in CASES}
    assert {code for code in CODES if code >= "P030"} - cases == {"P034", "P035"}


def test_all_mistakes_are_told_at_once_in_the_file_s_order():
    text = GOOD
    for old, new, _ in (CASES[0], CASES[1], CASES[5], CASES[8], CASES[9], CASES[15]):
        text = text.replace(old, new, 1)
    codes = [mistake.split()[1] for mistake in mistakes(text)]
    assert codes == ["P005", "P006", "P006", "P010", "P033", "P030"]


def test_a_service_outside_of_the_mesh_speaks_no_strict_mtls():
    document = mesh("api.example.org", security={"mtls": {"mode": "STRICT"}})
    with pytest.raises(PlanError, match=r"P032 `api\.example\.org` is outside of the mesh"):
        source_of(document)
    permissive = mesh("api.example.org", security={"mtls": {"mode": "PERMISSIVE"}})
    assert source_of(permissive).mesh.mtls == "PERMISSIVE"


def test_a_cycle_of_fallbacks_is_told_once_and_what_leads_into_it_is_not():
    def falls(name, other):
        return {"name": name, "fallback": {"service": other}}

    document = mesh(falls("d", "a"), falls("a", "b"), falls("b", "c"), falls("c", "a"))
    with pytest.raises(PlanError) as caught:
        source_of(document)
    (mistake,) = caught.value.mistakes
    assert mistake.message == "a cycle of fallbacks: a -> b -> c -> a"


def test_a_long_chain_of_fallbacks_is_told_once_however_long_it_is():
    chain = [{"name": f"s{n}", "fallback": {"service": f"s{n + 1}"}} for n in range(2000)]
    with pytest.raises(PlanError) as caught:
        source_of(mesh(*chain, "s2000"))
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.line) == ("P035", 9 + 3 * 1991)
    assert source_of(mesh(*chain[1992:], "s2000"))


def test_what_aliases_stand_for_is_bounded():
    """2,000 times 2,000 regions, in a few kilobytes."""
    regions = "&r {from: a, to: b}" + ", *r" * 2000
    text = yaml.safe_dump(mesh({"name": "a"}))
    text += f"  - &s {{name: b, failover: [{regions}]}}\n" + "  - *s\n" * 2000
    (mistake,) = mistakes(text)
    assert mistake.startswith("1:1 P001 with what its aliases stand for it holds more than")


def test_of_very_many_mistakes_the_first_are_told_and_the_rest_counted():
    falling = [{"name": f"s{n}", "fallback": {"service": f"t{n}"}} for n in range(2000)]
    lines = mistakes(yaml.safe_dump(mesh(*falling)))
    assert len(lines) == MOST_MISTAKES
    assert lines[-1].endswith("and 1,801 more mistakes")


def test_anchors_aliases_and_merges_are_read():
    text = """
apiVersion: mesh.ai/v1
kind: ServiceMesh
metadata: {name: m}
spec:
  services:
    - &base {name: a, timeout: 5s, loadBalancer: {algorithm: round_robin}}
    - {<<: *base, name: b, timeout: 7s}
"""
    first, second = load_mesh(text, "m.yaml").mesh.spec.services
    assert (first.timeout, second.timeout) == (5.0, 7.0)
    assert first.load_balancer == second.load_balancer


def test_the_document_of_the_manual_is_accepted_with_every_key():
    example = load_mesh(EXAMPLE.read_text(), str(EXAMPLE)).mesh
    assert [service.name for service in example.spec.services] == ["summarizer", "coder"]
    assert example.spec.services[1].fallback is not None
    assert (example.mtls, example.is_authorized) == ("STRICT", True)


def test_a_name_belongs_to_the_service_that_it_is_a_version_of():
    names = {"coder", "coder-basic", "x"}
    owners = {"coder": "coder", "coder-basic-v2": "coder-basic", "coder-v2": "coder"}
    assert {name: find_owner(name, names) for name in owners} == owners
    assert find_owner("coderx", names) is None
    assert find_owner("coder-v2.example.org", names) is None
    assert find_owner("coder-v2.b.svc", {"coder", "coder.b.svc"}) == "coder.b.svc"


def test_several_documents_are_checked_and_one_is_compiled():
    text = f"{GOOD}---\n{GOOD}"
    assert len(load(text, "m.yaml")) == 2
    with pytest.raises(InputError, match="holds 2 mesh documents"):
        load_mesh(text, "m.yaml")
    assert mistakes("") == ["1:1 P001 the file holds no mesh document"]


def test_2000_services_are_checked_in_less_than_a_second():
    """In ten times what libyaml alone takes, a tenth of a second: a busy machine slows both."""
    services = [
        {
            "name": f"service-{number}",
            "loadBalancer": {"algorithm": "round_robin", "healthCheck": {"interval": "5s"}},
            "circuitBreaker": {"errorThreshold": "50%"},
            "retries": {"attempts": 2, "backoff": "100ms"},
            "failover": [{"from": "europe-west1", "to": "europe-west4"}],
            "fallback": {"service": f"service-{number}-basic"},
            "timeout": "30s",
        }
        for number in range(2000)
    ]
    policies = [
        split(f"p-{number}", (f"service-{number}", 90), (f"service-{number}-v2", 10))
        for number in range(0, 2000, 10)
    ]
    text = json.dumps(mesh(*services, trafficPolicies=policies), indent=1)

    def count_services():
        return len(load_mesh(text, "mesh.yaml").mesh.spec.services)

    def count_events():
        return sum(1 for _ in yaml.parse(text, Loader=yaml.CSafeLoader))

    assert count_services() == 2000
    alone = min(measure(count_events) for _ in range(3))
    assert min(measure(count_services) for _ in range(3)) < 10 * alone


def measure(work):
    """The processor's time, which no other program takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_the_schema_in_the_repository_is_the_generated_one_and_agrees_with_loading():
    shipped = ROOT / "manifests/schema/servicemesh.json"
    assert shipped.read_text() == mesh_schema_text(), f"run: surefoot mesh schema > {shipped}"
    whole = schema(ServiceMesh, ID)
    Draft202012Validator.check_schema(whole)
    good = Draft202012Validator(whole)
    assert good.is_valid(mesh("a", {"name": "b", "timeout": "3s"}))
    assert not good.is_valid(mesh({"name": "a", "timeot": "3s"}))
    assert not good.is_valid(mesh({"name": "a", "timeout": 3}))
