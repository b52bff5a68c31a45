"""Whatever a route file, an object, an answer, a plan or a row holds: our own errors only.

A valid document is mangled at any of its places, or is any JSON at all.
"""

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from rollout.decide.record.facts import Decided, HumanSaid
from rollout.decide.record.split import Split
from rollout.errors import JournalError, PlanError, RouteError
from rollout.journal.hash_chain import Row, parse, seal
from rollout.journal.jsonl import from_lines, to_lines
from rollout.observe.parse import parse as parse_answer
from rollout.observe.query import queries
from rollout.plan.kube.resource import describe_mistakes, plan_of
from rollout.plan.reading.load import load
from rollout.route.envoy import admin, proxy, watched
from rollout.route.envoy.proxy import EnvoyRouter
from rollout.route.kube.router import ClusterRouter
from rollout.route.policy.files import settled_routes
from tests.support.asking import ERRORS, LATENCY, ask
from tests.support.examples import draw_up_to
from tests.support.foreign import CLUSTERS, COPIES, ENVOY, GATEWAY, TRAFFIC, VIRTUAL
from tests.support.odd import JSON, ODD, list_places, mangled
from tests.support.routes import gateway, istio, parted
from tests.support.worlds import plan

MANY = draw_up_to(300, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def envoy(tmp_path, monkeypatch):
    """A router whose route file and whose Envoy's dump hold a document."""
    file = tmp_path / "rds.json"

    def use(document, dump=None, **spec):
        file.write_text(json.dumps(document))
        configs = [{"route_config": config, "version_info": "x/1"} for config in dump or []]
        answers = {"/clusters": CLUSTERS}
        text = json.dumps({"configs": configs})
        monkeypatch.setattr(admin, "ask", lambda _, path: answers.get(path, text))
        route = {"envoy": {"file": str(file), "admin": "http://127.0.0.1:1"}}
        return EnvoyRouter(), plan(route=route, **spec), file

    return use


@MANY
@given(mangled(ENVOY) | JSON, st.sampled_from([{}, {"traffic": TRAFFIC}, {"traffic": COPIES}]))
def test_a_route_file_is_written_or_refused(envoy, document, spec):
    router, rollout, file = envoy(document, **spec)
    for split in (Split(0), Split(5), Split(5, way="mirror"), Split(5, way="segment")):
        with suppress(RouteError):
            router.write(rollout, split, "x/2")
    with suppress(RouteError):
        settled_routes(watched.load(file), proxy.arms_of(rollout), rollout.spec.policy, adopt=False)


@MANY
@given(mangled(ENVOY["resources"]))
def test_a_dump_is_read_or_refused(envoy, configs):
    router, rollout, _ = envoy(ENVOY, configs if isinstance(configs, list) else [configs])
    with suppress(RouteError):
        router.read(rollout, 100)
    assert isinstance(router.diagnose(rollout), str)
    assert router.endpoints(rollout, "canary") in {True, False, None}


MAY_BE_NULL = {
    *("metadata", "filter_metadata", "surefoot", "affinity", "request_mirror_policies"),
    *("runtime_fraction", "default_value", "numerator", "version_info", "timeout"),
}
NULLS = [(value, key) for value, key in list_places(ENVOY) if key in MAY_BE_NULL]


@pytest.mark.parametrize("number", range(len(NULLS)), ids=[key for _, key in NULLS])
def test_a_rollback_is_written_past_a_null_that_envoy_takes(envoy, number):
    document = copy.deepcopy(ENVOY)
    places = [spot for spot in list_places(document) if spot[1] in MAY_BE_NULL]
    container, key = places[number]
    container[key] = None
    router, rollout, file = envoy(document)
    router.write(rollout, Split(0), "x/2")
    written = json.loads(file.read_text())
    (host,) = written["resources"][0]["virtual_hosts"]
    weights = host["routes"][0]["route"]["weighted_clusters"]["clusters"]
    assert {entry["name"]: entry["weight"] for entry in weights if entry["weight"]} == {
        "summarizer-v1": 100
    }
    assert written["version_info"] == "x/2"


class Held:
    """An API server with one object, whatever it is."""

    def __init__(self, live):
        self.live = live

    def get(self, *_):
        return self.live

    def patch(self, *_, **__):
        return self.live

    find = get


@MANY
@given(st.data())
@pytest.mark.parametrize(
    ("document", "build"), [(VIRTUAL, istio), (GATEWAY, gateway)], ids=["istio", "gateway"]
)
def test_an_object_is_written_or_refused(document, build, data):
    live = data.draw(mangled(document))
    backends: dict[str, Any] = {"backends": {"stable": "reviews-v1", "canary": "reviews-v2"}}
    base = build(**backends) if build is gateway else build()
    rollout = data.draw(st.sampled_from([base, parted(base, **COPIES)]))
    held = Held(live)
    router = ClusterRouter(held, held)  # type: ignore[arg-type]
    for split in (Split(0), Split(5), Split(5, way="mirror")):
        with suppress(RouteError):
            router.write(rollout, split, "x/2")
    for read in (router.read, router.cached):
        with suppress(RouteError):
            read(rollout, 100)


DOCUMENT = plan(traffic=TRAFFIC).document()
RESOURCE = {
    **DOCUMENT,
    "metadata": {"name": "demo", "namespace": "ns", "uid": "u", "generation": 1},
}


@MANY
@given(mangled(DOCUMENT) | JSON)
def test_a_plan_is_read_or_every_mistake_is_told(document):
    with suppress(PlanError):
        load(yaml.safe_dump(document, allow_unicode=False), "plan.yaml")


@MANY
@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "replace")))
def test_any_text_is_a_plan_or_a_mistake(text):
    with suppress(PlanError):
        load(text, "plan.yaml")


@MANY
@given(mangled(RESOURCE["spec"]))
def test_a_resource_is_read_or_every_mistake_is_told(spec):
    resource = RESOURCE | {"spec": spec}
    problems: list[PlanError] = []
    try:
        plan_of(resource)
    except PlanError as error:
        problems.append(error)
    for problem in problems:
        assert all(describe_mistakes(resource, problem))


SAMPLE = {"values": [[998, "7"], [999, "8"]]}
LABELS = {
    "destination_service": "summarizer",
    "destination_version": "v1",
    "job": "j",
    "instance": "i",
}
NATIVE = {"histograms": [[998, {"count": "3", "sum": "1", "buckets": [[0, "0.5", "1", "3"]]}]]}
ROWS = [
    {"metric": LABELS | {"envoy_response_code": "200"}, **SAMPLE},
    {"metric": LABELS | {"envoy_response_code": "500", "destination_version": "v2"}, **SAMPLE},
]
BUCKETS = [
    {"metric": LABELS | {"le": "5", "destination_version": "v2"}, **SAMPLE},
    {"metric": LABELS | {"le": "+Inf", "destination_version": "v2"}, **SAMPLE},
    {"metric": LABELS, **NATIVE},
]


@MANY
@given(st.data())
@pytest.mark.parametrize(
    ("guardrail", "rows"), [(ERRORS, ROWS), (LATENCY, BUCKETS)], ids=["rate", "shape"]
)
def test_an_answer_is_samples_or_a_problem(guardrail, rows, data):
    numbers = st.sampled_from(["NaN", "+Inf", "-1", "0", "1e999", "1e-320", "-0", "0x1"])
    result = data.draw(mangled(rows, ODD | numbers) | JSON)
    (query,) = queries([ask(guardrails=[guardrail])], 1000.0)
    for samples in parse_answer(query, result):
        assert samples.problem == "" or not samples.series


FACT = Decided(
    rollout="demo-1", at=1e9, action="hold", split=Split(5), reasons=("blind",), sentence=""
)
SAYING = HumanSaid(rollout="demo-1", at=1e9, command="abort", actor="me")
FACTS = st.sampled_from([FACT, SAYING])


@MANY
@given(
    st.sampled_from([FACT, SAYING]).flatmap(lambda fact: mangled(fact.model_dump(mode="json")))
    | JSON
)
def test_a_row_is_a_fact_or_refused(document):
    text = json.dumps(document)
    with suppress(JournalError):
        parse(Row(1, text, "", ""))


@MANY
@given(st.data())
def test_a_line_of_a_recording_is_a_row_or_refused(data):
    row = json.loads(next(to_lines([seal("", 1, FACT)])))
    text = json.dumps(data.draw(mangled(row) | JSON))
    with suppress(JournalError):
        from_lines([text])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"seq":' + "9" * 5_000, '{"seq":1e999}', "\x00"])
def test_a_line_that_is_no_json_of_ours_is_refused(text):
    with pytest.raises(JournalError):
        from_lines([text])
    with pytest.raises(JournalError):
        parse(Row(1, text, "", ""))
