"""What `doctor` says where a metric has another name, other labels, or is of another type."""

from __future__ import annotations

import time

import pytest

from rollout.demo.servers.process import free_ports
from rollout.demo.servers.start import start_prometheus
from rollout.doctor.series import of_plan
from rollout.wire.prometheus import open_prometheus
from tests.live.expositions import RATE, SHAPE
from tests.live.prom import Pages
from tests.support.asking import plan

pytestmark = pytest.mark.live

AI = 'gen_ai_request_model="v1"'
# Each server as somebody's scrape shows it, and nothing of what the shipped names are.
PAGE = f"""
gen_ai_client_operation_duration_seconds_count{{{AI}}} 9
gen_ai_client_operation_duration_seconds_bucket{{{AI},le="+Inf"}} 9
gen_ai_client_token_usage_token_bucket{{{AI},gen_ai_token_type="output",le="+Inf"}} 9
kserve_vllm:time_to_first_token_seconds_bucket{{model_name="v1",le="+Inf"}} 9
inference_objective_request_total{{target_model_name="v1"}} 9
jobs{{build="v1",code="200"}} 9
jobs{{build="v2",code="503"}} 1
litellm_proxy_total_requests_metric_total{{requested_model="m",model_id="a"}} 9
litellm_proxy_total_requests_metric_total{{requested_model="m",model_id="b"}} 9
# TYPE answer_seconds summary
answer_seconds{{build="v1",quantile="0.99"}} 0.4
answer_seconds_sum{{build="v1"}} 3
answer_seconds_count{{build="v1"}} 9
nginx_ingress_controller_requests{{exported_namespace="default",namespace="ingress",status="2"}} 1
traefik_service_requests_total{{exported_service="v1",service="traefik",code="200"}} 1
envoy_cluster_upstream_rq{{envoy_cluster_name="httproute/web/api/rule/0",envoy_response_code="2"}} 1
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with Pages({"/all": lambda _n: PAGE}).serving() as serving:
        folder = tmp_path_factory.mktemp("dialects")
        server = start_prometheus(folder, free_ports(1)[0], {"all": f"{serving.url}/all"})
        try:
            observer, end = open_prometheus(), time.monotonic() + 60
            asked = plan(url=server.url).spec.prometheus.server
            while not observer.vector(asked, "jobs") and time.monotonic() < end:
                time.sleep(0.2)
            yield server.url
        finally:
            server.stop()


def counter(series, bad, **labels):
    return RATE | {"counter": {"series": series, "bad": bad}, "labels": labels}


@pytest.mark.parametrize(
    ("guardrail", "message", "cure"),
    [
        (
            RATE | {"template": "genai/errors"},
            "but gen_ai_client_operation_duration_seconds_count",
            "write `template: genai-operation/errors`, which reads that name",
        ),
        (
            SHAPE | {"template": "genai/duration"},
            "but gen_ai_client_operation_duration_seconds_bucket",
            "write `template: genai-operation/duration`, which reads that name",
        ),
        (
            SHAPE | {"template": "envoy-ai/tokens"},
            "but gen_ai_client_token_usage_token_bucket",
            "declare that name: `surefoot templates envoy-ai/tokens` prints what to copy",
        ),
        (
            SHAPE | {"template": "vllm/ttft", "labels": {"version": "model_name"}},
            "but kserve_vllm:time_to_first_token_seconds_bucket",
            "declare that name: `surefoot templates vllm/ttft` prints",
        ),
        (
            RATE | {"template": "llmd/errors"},
            "but inference_objective_request_total",
            "write `template: llmd-objective/errors`",
        ),
        (
            counter("jobs_total", {"code": "=~5.."}, version="build"),
            "there is no series jobs_total{}, but jobs",
            "if it means the same, name jobs in `series`",
        ),
        (
            counter("jobs", {"status": "=~5.."}, version="build"),
            "no series of jobs{} has the label status",
            "its labels are code, build",
        ),
        (
            counter("jobs", {"code": "=~5.."}, version="app_version"),
            "no series of jobs{} has the label app_version",
            "its labels are build, ",
        ),
        (
            RATE | {"template": "litellm/errors", "labels": {"version": "requested_model"}},
            "has no version v1, only m",
            'what differs is model_id ("a", "b"): name such a label',
        ),
        (
            SHAPE | {"histogram": {"series": "answer_seconds"}, "labels": {"version": "build"}},
            "answer_seconds is a summary: quantiles cannot be added, nor judged",
            "only its `_count` can be counted",
        ),
        (
            counter("answer_seconds", {"error": "!="}, version="build"),
            "answer_seconds is a summary",
            "`_count` can be counted",
        ),
        (
            RATE | {"template": "nginx/errors", "labels": {"version": "canary"}},
            'no series of nginx_ingress_controller_requests has namespace="default"',
            'exported_namespace has "default", namespace has not',
        ),
        (
            RATE | {"template": "traefik/errors"},
            "has no version v1, only traefik",
            "set `labels: {version: exported_service}`: exported_service has v1",
        ),
        (
            counter("jobs", {"code": "=~5.."}, version="build", service="app"),
            'has no app="summarizer"',
            "its labels are job, build, code",
        ),
        (
            RATE | {"template": "envoy/errors"},
            'has no destination_service="summarizer"',
            "behind Envoy Gateway all backends of one rule are one cluster",
        ),
        (
            counter("nothing_total", {"code": "=~5.."}, version="build"),
            "there is no series nothing_total{}",
            "scrape what exports it",
        ),
    ],
)
def test_what_is_there_instead_is_said_with_its_cure(url, guardrail, message, cure):
    (finding,) = of_plan(plan(url=url, guardrails=[guardrail]), open_prometheus().vector)
    assert finding.level == "fail"
    assert message in finding.said
    assert cure in finding.fix
