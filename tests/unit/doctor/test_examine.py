"""The whole examination on fakes: journal, mesh, rights; each failure with its cure."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.doctor.examine import Tools, examine
from rollout.doctor.mesh import EnvoyAdmin
from rollout.errors import ClusterError, InputError, ObserveError, RouteError
from rollout.journal.file_lock import hold
from rollout.journal.sql.store import open_journal
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.route.kube.objects import VIRTUAL_SERVICE
from rollout.simulate import MemoryRouter
from rollout.wire import doctor_tools as wired
from tests.support.routes import to, virtual_service
from tests.support.worlds import plan

ISTIO = {"istio": {"virtualService": "routes", "destinationRule": "rule"}}


class FakeCluster:
    """A cluster that refuses some rights, and knows plans unless told otherwise."""

    def __init__(self, refused=(), status=0, subsets=("v1", "v2"), declared=()):
        self.refused, self.status, self.asked = refused, status, []
        self.subsets, self.declared = subsets, declared
        self.route = [to("summarizer", 100, "v1")]
        self.labels = {"v1": {"version": "v1"}, "v2": {"version": "v2"}}

    def may(self, verb, group, resource, namespace, name):
        self.asked.append((verb, group, resource, namespace, name))
        return resource not in ("secrets", *self.refused) and (verb, resource) != ("create", "pods")

    def get(self, kind, namespace, name):
        if kind == VIRTUAL_SERVICE:
            return virtual_service(self.route)
        subsets = [{"name": name, "labels": self.labels[name]} for name in self.subsets]
        return {"spec": {"host": "summarizer", "subsets": subsets}}

    def first(self, kind, namespace):
        if self.status:
            raise ClusterError("said so", self.status)

    def every(self, kind, namespace):
        self.first(kind, namespace)
        return [*self.declared]


@pytest.fixture
def envoy_plan(tmp_path):
    return plan(
        route={"envoy": {"file": str(tmp_path / "rds.json"), "admin": "http://127.0.0.1:1"}}
    )


def query(url, text):
    if text == "vector(time())":
        return [({}, 5.0)]
    labels = text[len("count by (") :].partition(",__name__)")[0].split(",")
    return [(dict.fromkeys(labels, "v1"), 1.0)]


def tools(cluster=None, **more):
    def connect():
        if cluster is None:
            raise InputError("no cluster: no kubeconfig")
        return cluster

    def well(_plan: Plan) -> str:
        return ""

    envoy = EnvoyAdmin(more.pop("unknown", well), more.pop("against", well))
    read = more.pop("read", lambda *_: [])
    return replace(Tools(query, lambda: 5.0, MemoryRouter(), envoy, connect, read), **more)


def levels(findings):
    return [(finding.check, finding.level) for finding in findings]


def examined(plans, journal, namespace=None, *, triggers=False, **more):
    return [*examine(plans, namespace, journal, tools(**more), triggers=triggers)]


def test_an_envoy_plan_needs_no_cluster(tmp_path, envoy_plan):
    findings = examined([envoy_plan], tmp_path / "new" / "journal.db")
    assert levels(findings) == [
        ("journal", "ok"),
        ("prometheus", "ok"),
        *[("series", "ok")] * 3,
        ("mesh", "ok"),
    ]
    assert not (tmp_path / "new").exists(), "it makes nothing"


def test_a_silent_prometheus_is_said_once(tmp_path, envoy_plan):
    def silent(url, text):
        raise ObserveError("no answer")

    findings = examined([envoy_plan, envoy_plan], tmp_path / "j.db", query=silent)
    assert levels(findings)[1:] == [("prometheus", "fail"), ("mesh", "ok"), ("mesh", "ok")]


def test_each_server_is_asked_for_its_own_guardrails_and_told_with_its_cure(tmp_path, envoy_plan):
    judges = PrometheusServer(url="http://judges:9090", access="judges")
    first, *others = envoy_plan.spec.guardrails
    guardrails = [first.model_copy(update={"prometheus": judges}), *others]
    spec = envoy_plan.spec.model_copy(update={"guardrails": guardrails})
    asked = []

    def answer(server, text):
        asked.append((server.url, server.access))
        if server == judges:
            raise ObserveError("access denied", "renew the token")
        return query(server, text)

    both = envoy_plan.model_copy(update={"spec": spec})
    findings = examined([both], tmp_path / "j.db", query=answer)
    (failed,) = (finding for finding in findings if finding.level == "fail")
    assert (failed.subject, failed.said, failed.fix) == (
        *("http://judges:9090", "access denied", "renew the token"),
    )
    named = [finding.subject for finding in findings if finding.check == "series"]
    assert named == [f"{both.name}/{guardrail.name}" for guardrail in others]
    assert asked.count(("http://judges:9090", "judges")) == 1


def test_what_is_wrong_with_the_mesh(tmp_path, envoy_plan):
    journal = tmp_path / "j.db"
    down = examined([envoy_plan], journal, router=MemoryRouter(down="Envoy does not answer"))[-1]
    assert (down.check, down.level, down.said) == ("mesh", "fail", "Envoy does not answer")
    lost = examined([envoy_plan], journal, unknown=lambda _plan: "summarizer-v2")[-1]
    assert (lost.level, lost.said) == ("fail", "Envoy has no cluster summarizer-v2")
    away = {"envoy": {"file": str(tmp_path / "none" / "rds.json"), "admin": "http://127.0.0.1:1"}}
    fixed = examined([plan(route=away)], journal)[-1]
    assert (fixed.level, fixed.fix) == ("fail", f"give write access to {tmp_path / 'none'}")

    def unasked(_plan: Plan) -> str:
        raise RouteError("Envoy gave no JSON")

    assert examined([envoy_plan], journal, unknown=unasked)[-1].level == "fail"


def test_the_journal_s_states(tmp_path):
    def of(path):
        (finding,) = examined([], path)
        return finding.level, finding.said

    good, broken = tmp_path / "journal.db", tmp_path / "broken.db"
    open_journal(good).close()
    broken.write_text("this is no journal, but long enough to be looked at as one\n" * 30)
    assert of(good) == ("ok", "0 entries, hash chain intact, no controller uses it")
    assert of(broken)[0] == "fail"
    with hold(good):
        assert of(good)[0] == "warn"
        operated = examined([], good, "ns", cluster=FakeCluster())[0]
        assert operated.level == "ok", "whoever carries the plans out should hold it"


def test_all_rights_or_each_that_is_missing_with_its_rule(tmp_path):
    cluster = FakeCluster()
    findings = examined([plan(route=ISTIO)], tmp_path / "j.db", "clinical-ai", cluster=cluster)
    ends = [("cluster", "ok"), ("rights", "ok"), ("rights", "ok"), ("mesh", "ok")]
    assert levels(findings)[-4:] == ends
    istio = "networking.istio.io"
    assert cluster.asked[-7:] == [
        ("get", istio, "virtualservices", "default", "routes"),
        ("patch", istio, "virtualservices", "default", "routes"),
        ("get", istio, "destinationrules", "default", "rule"),
        ("list", istio, "virtualservices", "default", ""),
        ("watch", istio, "virtualservices", "default", ""),
        ("list", "", "pods", "default", ""),
        ("get", "", "services", "default", ""),
    ]
    refusing = FakeCluster(refused=["rolloutplans/status"])
    findings = examined([], tmp_path / "j.db", "clinical-ai", cluster=refusing)
    rule = '{apiGroups: ["surefoot.dev"], resources: [rolloutplans/status], verbs: [patch]}'
    assert [finding.fix for finding in findings if finding.level == "fail"] == [
        f"grant a Role with {rule}"
    ]


def test_a_subset_that_the_rule_does_not_define(tmp_path):
    findings = examined([plan(route=ISTIO)], tmp_path / "j.db", cluster=FakeCluster(subsets=["v1"]))
    assert (findings[-1].check, findings[-1].level) == ("mesh", "fail")
    assert findings[-1].said == "DestinationRule rule defines no subset v2"


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"v2": {"version": "v1"}}, "the pods of subset v2 are also in subset v1"),
        ({"v1": {}}, "the pods of subset v2 are also in subset v1"),
        (
            {"v1": {"version": "v1", "zone": "a"}, "v2": {"zone": "a"}},
            "of subset v1 are also in subset v2",
        ),
    ],
)
def test_two_subsets_of_the_same_pods_are_no_two_versions(tmp_path, labels, problem):
    cluster = FakeCluster()
    cluster.labels |= labels
    finding = examined([plan(route=ISTIO)], tmp_path / "j.db", cluster=cluster)[-1]
    assert (finding.check, finding.level) == ("mesh", "fail")
    assert problem in finding.said
    assert "a version is compared with itself" in finding.fix


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([("v1", 60), ("v1", 40)], "http route `r1` names subset v1 of summarizer twice"),
        ([("v1", 90), ("v2", 5), ("v2", 5)], "http route `r1` names subset v2 of summarizer twice"),
    ],
)
def test_a_route_that_would_refuse_the_canary_s_weight_is_told_before(tmp_path, entries, problem):
    cluster = FakeCluster()
    cluster.route = [to("summarizer", weight, name) for name, weight in entries]
    findings = examined([plan(route=ISTIO)], tmp_path / "j.db", cluster=cluster)
    (bad,) = [finding for finding in findings if finding.level == "fail"]
    assert (bad.check, bad.said) == ("mesh", f"routes would refuse the canary's weight: {problem}")


def test_what_an_envoy_has_against_the_canary_is_told(tmp_path, envoy_plan):
    finding = examined([envoy_plan], tmp_path / "j.db", against=lambda _plan: "both lead to a")[-1]
    assert (finding.check, finding.level, finding.said) == ("mesh", "fail", "both lead to a")


def test_what_is_made_need_not_be_there_but_the_right_to_make_it(tmp_path):
    class Empty(FakeCluster):
        def get(self, kind, namespace, name):
            raise ClusterError("not found", 404)

        def may(self, verb, *where):
            return verb != "create"

    class Without(MemoryRouter):
        def read(self, plan, total, before=None):
            raise RouteError("routes: there is no such object", refused=True, absent=True)

    def examine_mesh(**more):
        asked = plan(route={"istio": ISTIO["istio"] | more})
        every = examined([asked], tmp_path / "j.db", cluster=Empty(), router=Without())
        return [finding for finding in every if finding.check in {"mesh", "rights"}]

    kinds = ["destinationrules", "virtualservices"]
    findings = examine_mesh(create={})
    assert levels(findings) == [("mesh", "ok"), ("rights", "fail"), ("rights", "fail")]
    assert [finding.said for finding in findings[1:]] == [
        f"may not create {k} in default" for k in kinds
    ]
    assert levels(examine_mesh()) == [("mesh", "fail"), ("rights", "ok"), ("mesh", "fail")]


def test_too_many_rights_are_a_warning(tmp_path):
    class Generous(FakeCluster):
        def may(self, *asked):
            return True

    findings = examined([], tmp_path / "j.db", "clinical-ai", cluster=Generous())
    assert [finding.said for finding in findings if finding.level == "warn"] == [
        "may get secrets in clinical-ai, which no controller needs",
        "may create pods in clinical-ai, which no controller needs",
    ]


@pytest.mark.parametrize(("status", "level"), [(404, "fail"), (403, "warn"), (0, "ok")])
def test_the_definition_of_plans(tmp_path, status, level):
    findings = examined([], tmp_path / "j.db", "ns", cluster=FakeCluster(status=status))
    assert [finding.level for finding in findings if finding.check == "cluster"] == [level]
    assert [finding.check for finding in findings].count("plan") == (status == 0)


@pytest.mark.parametrize("status", [404, 0])
def test_triggers_need_their_own_definition_and_rights(tmp_path, status):
    cluster = FakeCluster(refused=["deployments"], status=status)
    findings = examined([], tmp_path / "j.db", "ns", cluster=cluster, triggers=True)
    defined = [
        (finding.subject, finding.level) for finding in findings if finding.check == "cluster"
    ]
    level = "fail" if status else "ok"
    assert defined == [
        (f"{plural}.surefoot.dev", level) for plural in ("rolloutplans", "rollouttriggers")
    ]
    cures = [finding.fix for finding in findings if finding.check == "cluster"]
    assert status == 0 or cures[1] == "kubectl apply -f manifests/crd-trigger.yaml"
    missing = [
        finding.said
        for finding in findings
        if finding.check == "rights" and finding.level == "fail"
    ]
    assert missing == [f"may not {verb} deployments in ns" for verb in ("get", "list", "watch")]


def test_with_a_namespace_alone_the_plans_are_those_declared_in_it(tmp_path, envoy_plan):
    document = envoy_plan.document()
    document["metadata"]["generation"] = 1
    cluster = FakeCluster(declared=[document])
    findings = examined([], tmp_path / "j.db", "default", cluster=cluster)
    assert levels(findings)[:4] == [
        ("journal", "ok"),
        ("plan", "warn"),
        ("prometheus", "ok"),
        ("series", "ok"),
    ]
    given = examined([envoy_plan], tmp_path / "j.db", "default", cluster=cluster)
    assert [finding for finding in given if finding.check == "plan"] == [], "a file is meant"


def test_a_cluster_that_is_away(tmp_path):
    finding = examined([], tmp_path / "j.db", "ns")[-1]
    assert (finding.check, finding.level, finding.said) == (
        "cluster",
        "fail",
        "no cluster: no kubeconfig",
    )
    finding = examined([], tmp_path / "j.db", "ns", cluster=FakeCluster(status=500))[-1]
    assert (finding.level, finding.said) == ("fail", "said so")


def test_the_command_prints_a_line_each_and_ends_with_1_where_something_failed(
    tmp_path, envoy_plan, monkeypatch
):
    import yaml

    file, journal = tmp_path / "plan.yaml", str(tmp_path / "j.db")
    file.write_text(yaml.safe_dump(envoy_plan.document()))
    monkeypatch.setattr(wired, "doctor_tools", lambda *_: tools())
    good = CliRunner().invoke(surefoot, ["doctor", str(file), "--journal", journal])
    assert good.exit_code == 0
    assert good.output.splitlines()[-1] == "6 ok, 0 warn, 0 fail"
    bad = CliRunner().invoke(surefoot, ["doctor", "-n", "ns", "--journal", journal, "--json"])
    assert bad.exit_code == 1
    assert [finding["level"] for finding in json.loads(bad.output)] == ["ok", "fail"]
    assert all(finding["fix"] for finding in json.loads(bad.output) if finding["level"] == "fail")
