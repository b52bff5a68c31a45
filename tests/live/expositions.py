"""Pages of metrics as servers show them: each row is `(labels, version, units a scrape)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Two = tuple[int, int]


@dataclass(frozen=True)
class Exposition:
    """One page, the guardrail that reads it, and what it counts each scrape.

    `rows` are series with their growth per scrape. `canary` and `stable` are (units, bad units) of
    a rate, (units, units in the last bucket) of a histogram, or (units, sum in steps) of a ratio.
    """

    guardrail: Json
    rows: Mapping[str, float]
    canary: Two
    stable: Two
    stable_version: str = "v1"
    canary_version: str = "v2"

    def page(self) -> Callable[[int], str]:
        """Return what a scrape gets, by its number; counters stand at 50 scrapes before it."""
        return lambda n: "".join(f"{row} {(n + 50) * gain}\n" for row, gain in self.rows.items())


def buckets(series: str, labels: str, counts: dict[str, int]) -> dict[str, int]:
    """Return the rows of a histogram, from cumulative counts by edge."""
    return {f'{series}_bucket{{{labels},le="{edge}"}}': n for edge, n in counts.items()}


RATE: Json = {"name": "it", "margin": {"absolute": "1%"}}
SHAPE: Json = {"name": "it", "tolerance": "50%"}
ARMS: Json = {"arms": {"stable": {"port": "8000"}, "canary": {"port": "=~80[1-9].*"}}}

DECLARED = {
    "one-counter": Exposition(
        RATE
        | {"counter": {"series": "http_requests_total", "bad": {"status": "=~5..|429"}}}
        | {"labels": {"version": "build"}},
        {
            'http_requests_total{build="v1",status="200"}': 98,
            'http_requests_total{build="v1",status="429"}': 2,
            'http_requests_total{build="v2",status="200"}': 5,
            'http_requests_total{build="v2",status="503"}': 3,
        },
        (8, 3),
        (100, 2),
    ),
    "two-counters-by-port": Exposition(
        RATE
        | {
            "counter": {
                "bad": {"series": "jobs_failed_total", "where": {"reason": "!=cancelled"}},
                "total": {"series": "jobs_total"},
            },
            "labels": ARMS,
        },
        {
            'jobs_total{port="8000"}': 50,
            'jobs_failed_total{port="8000",reason="crash"}': 1,
            'jobs_failed_total{port="8000",reason="cancelled"}': 9,
            'jobs_total{port="8010"}': 20,
            'jobs_failed_total{port="8010",reason="crash"}': 4,
        },
        (20, 4),
        (50, 1),
    ),
    "seconds-by-digest": Exposition(
        SHAPE
        | {"histogram": {"series": "answer_seconds", "where": {"path": "!~/health.*"}}}
        | {"labels": {"version": "image"}},
        buckets("answer_seconds", 'image="r/m@sha256:a1",path="/v1"', {"0.5": 80, "+Inf": 90})
        | buckets("answer_seconds", 'image="r/m:next",path="/v1"', {"0.5": 4, "+Inf": 10})
        | buckets("answer_seconds", 'image="r/m:next",path="/healthz"', {"0.5": 99, "+Inf": 99}),
        (10, 6),
        (90, 10),
        "r/m@sha256:a1",
        "r/m:next",
    ),
    # Requests that ended without a status are units too.
    "without-a-label": Exposition(
        RATE
        | {"counter": {"series": "rpc_total", "bad": {"status": "=~5.."}}}
        | {"labels": {"version": "build"}},
        {
            'rpc_total{build="v1",status="200"}': 95,
            'rpc_total{build="v1",status="500"}': 1,
            'rpc_total{build="v1"}': 4,
            'rpc_total{build="v2",status="500"}': 3,
            'rpc_total{build="v2",status=""}': 7,
        },
        (10, 3),
        (100, 1),
    ),
    # Clients of two languages: each has buckets of its own, and spells the edge that both have.
    "slower-than": Exposition(
        {"name": "it", "slower": {"than": "250ms", "margin": {"absolute": "1%"}}}
        | {"histogram": {"series": "first_token_seconds"}, "labels": {"version": "build"}},
        buckets("first_token_seconds", 'build="v1",pod="a"', {"0.1": 70, "0.25": 90, "+Inf": 95})
        | buckets("first_token_seconds", 'build="v1",pod="b"', {"2.5e-01": 3, "1": 5, "+Inf": 5})
        | buckets("first_token_seconds", 'build="v2",pod="c"', {"0.25": 6, "10": 9, "+Inf": 10}),
        (10, 4),
        (100, 7),
    ),
}


def read_by(template: str, version: str, limit: Json) -> Json:
    """A guardrail on a shipped template, with the label that tells the versions apart."""
    return limit | {"template": template, "labels": {"version": version}}


def vllm(model: str, **more: str) -> str:
    return ",".join(f'{k}="{v}"' for k, v in {"model_name": model, "engine": "0", **more}.items())


FINISHED = "vllm:request_success_total"
AI = 'gen_ai_operation_name="chat",gen_ai_request_model="{}"'
ISTIO = (
    'reporter="source",destination_service_name="summarizer",'
    'destination_service_namespace="default",response_code="200",destination_version="{}"'
)
# As the servers show them; a version's model, Deployment or alias stands in another label in each.
SHIPPED = {
    "vllm/errors": Exposition(
        read_by("vllm/errors", "model_name", RATE),
        {
            f"{FINISHED}{{{vllm('org/m', finished_reason='stop')}}}": 90,
            f"{FINISHED}{{{vllm('org/m', finished_reason='error')}}}": 1,
            f"{FINISHED}{{{vllm('org/m', finished_reason='abort')}}}": 9,
            f"{FINISHED}{{{vllm('org/m:new', finished_reason='stop')}}}": 6,
            f"{FINISHED}{{{vllm('org/m:new', finished_reason='error')}}}": 4,
        },
        (10, 4),
        (100, 1),
        "org/m",
        "org/m:new",
    ),
    "vllm/ttft": Exposition(
        SHAPE | {"template": "vllm/ttft", "labels": ARMS},  # one model name on both arms
        buckets(
            "vllm:time_to_first_token_seconds",
            vllm("org/m", port="8000"),
            {"0.08": 40, "0.1": 48, "+Inf": 50},
        )
        | buckets(
            "vllm:time_to_first_token_seconds",
            vllm("org/m", port="8010"),
            {"0.08": 4, "0.1": 5, "+Inf": 10},
        ),
        (10, 5),
        (50, 2),
    ),
    "genai/errors": Exposition(
        RATE | {"template": "genai/errors"},
        {
            f"gen_ai_client_inference_duration_seconds_count{{{AI.format('v1')}}}": 40,
            f"gen_ai_client_inference_duration_seconds_count"
            f'{{{AI.format("v1")},error_type="timeout"}}': 2,
            f"gen_ai_client_inference_duration_seconds_count{{{AI.format('v2')}}}": 9,
            f"gen_ai_client_inference_duration_seconds_count"
            f'{{{AI.format("v2")},error_type="500"}}': 1,
        },
        (10, 1),
        (42, 2),
    ),
    "genai-operation/duration": Exposition(
        SHAPE | {"template": "genai-operation/duration"},
        buckets(
            "gen_ai_client_operation_duration_seconds", AI.format("v1"), {"1.28": 9, "+Inf": 10}
        )
        | buckets(
            "gen_ai_client_operation_duration_seconds", AI.format("v2"), {"1.28": 3, "+Inf": 10}
        ),
        (10, 7),
        (10, 1),
    ),
    "llmd/errors": Exposition(
        RATE | {"template": "llmd/errors"},
        {
            'llm_d_epp_request_total{model_name="m",target_model_name="v1"}': 60,
            'llm_d_epp_request_error_total{target_model_name="v1",error_code="503"}': 1,
            'llm_d_epp_request_total{model_name="m",target_model_name="v2"}': 30,
            'llm_d_epp_request_error_total{target_model_name="v2",error_code="503"}': 6,
            'inference_objective_request_total{model_name="m",target_model_name="v2"}': 30,
        },
        (30, 6),
        (60, 1),
    ),
    "litellm/errors": Exposition(
        read_by("litellm/errors", "model_id", RATE),
        {
            'litellm_proxy_total_requests_metric_total{requested_model="m",model_id="v1"}': 70,
            "litellm_proxy_failed_requests_metric_total"
            '{requested_model="m",model_id="v1",exception_status="429"}': 7,
            'litellm_proxy_total_requests_metric_total{requested_model="m",model_id="v2"}': 7,
            "litellm_proxy_failed_requests_metric_total"
            '{requested_model="m",model_id="v2",exception_status="500"}': 1,
        },
        (7, 1),
        (70, 7),
    ),
    "envoy-ai/ttft": Exposition(
        SHAPE | {"template": "envoy-ai/ttft"},
        buckets("gen_ai_server_time_to_first_token_seconds", AI.format("v1"), {"0.5": 5, "+Inf": 8})
        | buckets(
            "gen_ai_server_time_to_first_token_seconds", AI.format("v2"), {"0.5": 1, "+Inf": 4}
        ),
        (4, 3),
        (8, 3),
    ),
    "istio/errors": Exposition(
        RATE | {"template": "istio/errors"},
        {
            f'istio_requests_total{{{ISTIO.format("v1")},grpc_response_status="0"}}': 99,
            f'istio_requests_total{{{ISTIO.format("v1")},grpc_response_status="5"}}': 1,
            f'istio_requests_total{{{ISTIO.format("v2")},grpc_response_status="0"}}': 7,
            f'istio_requests_total{{{ISTIO.format("v2")},grpc_response_status="13"}}': 3,
            f"istio_requests_total{{{ISTIO.format('v2')}}}": 2,  # plain HTTP
        },
        (12, 3),
        (100, 0),
    ),
}
