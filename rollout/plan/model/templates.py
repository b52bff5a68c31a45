"""The templates that are shipped, as documents.

They stand here and not in files of their own, because a decision that is made again from a journal
needs them and reads no file. `surefoot templates NAME` shows each as the document to copy.
"""

from __future__ import annotations

from typing import Any

from rollout.plan.model.template import MetricTemplate

_ENVOY = {"service": "destination_service", "version": "destination_version"}
_ISTIO = {
    "service": "destination_service_name",
    "version": "destination_version",
    "namespace": "destination_service_namespace",
}
_LINKERD = {"service": "app", "version": "version", "namespace": "namespace"}
_JUDGED = {"service": "service", "version": "model_version"}
_AT_SOURCE = {"where": {"reporter": "source"}, "reporter": "proxy"}
_INBOUND = {"where": {"direction": "inbound"}}

# Both versions may serve one model under one name: which label differs is for the plan to say.
_VLLM: dict[str, Any] = {}
_LITELLM: dict[str, Any] = {}
_GENAI = {"version": "gen_ai_request_model"}
_LLMD = {"version": "target_model_name"}


def _read_values(description: str, series: str, labels: dict[str, Any], reporter: str) -> Any:
    histogram = {"series": series, "unit": "s", "reporter": reporter}
    return {"description": description, "histogram": histogram, "labels": labels}


def _read_errors(description: str, series: str, labels: dict[str, Any], reporter: str) -> Any:
    """What OpenTelemetry says of errors: `error.type` stands on failures alone."""
    counter = {"series": series, "bad": {"error_type": "!="}, "reporter": reporter}
    return {"description": description, "counter": counter, "labels": labels}


def _count_apart(
    description: str, names: tuple[str, str], labels: dict[str, Any], reporter: str
) -> Any:
    bad, total = ({"series": name} for name in names)
    counter = {"bad": bad, "total": total, "reporter": reporter}
    return {"description": description, "counter": counter, "labels": labels}


def _count_reasons(description: str, reason: str) -> Any:
    """How vLLM's requests ended; its counter of successes has errors too."""
    counter = {
        "series": "vllm:request_success_total",
        "bad": {"finished_reason": reason},
        "unit": "answers",
    }
    return {"description": description, "counter": counter, "labels": _VLLM}


_TO_FIRST, _PER_TOKEN = "Time to the first token.", "Time per further token, by request."
_SPECS: dict[str, dict[str, Any]] = {
    "envoy/errors": {
        "description": "Requests that a local Envoy answered with 5xx.",
        "counter": {
            "series": "envoy_cluster_upstream_rq",
            "bad": {"envoy_response_code": "=~5.."},
            "reporter": "proxy",
        },
        "labels": _ENVOY,
    },
    "envoy/latency": {
        "description": "Time to the whole answer, as a local Envoy measures it.",
        "histogram": {
            "series": "envoy_cluster_upstream_rq_time",
            "unit": "ms",
            "reporter": "proxy",
        },
        "labels": _ENVOY,
    },
    "istio/errors": {
        "description": "Requests that failed, HTTP or gRPC, as the callers' proxies saw them.",
        "counter": {
            "series": "istio_requests_total",
            # gRPC answers 200, whatever came of the call.
            "bad": [{"response_code": "=~5.."}, {"grpc_response_status": "=~2|4|12|13|14|15"}],
            **_AT_SOURCE,
        },
        "labels": _ISTIO,
    },
    "istio/latency": {
        "description": "Time to the whole answer, as the calling sidecars or gateways measure it.",
        "histogram": {
            "series": "istio_request_duration_milliseconds",
            "unit": "ms",
            **_AT_SOURCE,
        },
        "labels": _ISTIO,
    },
    "linkerd/errors": {
        "description": "Requests that failed, as the receiving pods' proxies count them.",
        "counter": {"series": "response_total", "bad": {"classification": "failure"}, **_INBOUND},
        "labels": _LINKERD,
    },
    "linkerd/latency": {
        "description": "Time to the whole answer, as the receiving pods' proxies measure it.",
        "histogram": {"series": "response_latency_ms", "unit": "ms", **_INBOUND},
        "labels": _LINKERD,
    },
    "quality/score": {
        "description": "Scores of answers, by a judge.",
        "histogram": {
            "series": "gen_ai_evaluation_score",
            "unit": "score",
            "worse": "low",
            "reporter": "judge",
        },
        "labels": _JUDGED,
    },
    "quality/verdict": {
        "description": "Answers that a judge fails.",
        "counter": {
            "series": "gen_ai_evaluation_verdicts_total",
            "bad": {"gen_ai_evaluation_score_label": "fail"},
            "unit": "summaries",
            "reporter": "judge",
        },
        "labels": _JUDGED,
    },
    "vllm/errors": _count_reasons("Requests that end in an error.", "error"),
    "vllm/length-stops": _count_reasons("Answers that are cut at the longest length.", "length"),
    "vllm/ttft": _read_values(_TO_FIRST, "vllm:time_to_first_token_seconds", _VLLM, "server"),
    "vllm/tpot": _read_values(
        _PER_TOKEN, "vllm:request_time_per_output_token_seconds", _VLLM, "server"
    ),
    "vllm/e2e": _read_values(
        "Time to the whole answer.", "vllm:e2e_request_latency_seconds", _VLLM, "server"
    ),
    "vllm/queue": _read_values(
        "Time that a request waits.", "vllm:request_queue_time_seconds", _VLLM, "server"
    ),
    "genai/errors": _read_errors(
        "Calls of a model that failed, as its clients count (OpenTelemetry GenAI 0.1).",
        "gen_ai_client_inference_duration_seconds_count",
        _GENAI,
        "proxy",
    ),
    "genai/duration": _read_values(
        "Time of a call, as its clients measure it (OpenTelemetry GenAI 0.1).",
        "gen_ai_client_inference_duration_seconds",
        _GENAI,
        "proxy",
    ),
    "genai-operation/errors": _read_errors(
        "As genai/errors, by the name before GenAI 0.1.",
        "gen_ai_client_operation_duration_seconds_count",
        _GENAI,
        "proxy",
    ),
    "genai-operation/duration": _read_values(
        "As genai/duration, by the name before GenAI 0.1.",
        "gen_ai_client_operation_duration_seconds",
        _GENAI,
        "proxy",
    ),
    "llmd/errors": _count_apart(
        "Requests that failed, as llm-d's endpoint picker counts.",
        ("llm_d_epp_request_error_total", "llm_d_epp_request_total"),
        _LLMD,
        "proxy",
    ),
    "llmd/ttft": _read_values(_TO_FIRST, "llm_d_epp_request_ttft_seconds", _LLMD, "proxy"),
    "litellm/errors": _count_apart(
        "Requests that failed in LiteLLM's proxy.",
        ("litellm_proxy_failed_requests_metric_total", "litellm_proxy_total_requests_metric_total"),
        _LITELLM,
        "proxy",
    ),
    "litellm/latency": _read_values(
        "Time to the whole answer.", "litellm_request_total_latency_metric", _LITELLM, "proxy"
    ),
    "litellm/ttft": _read_values(
        _TO_FIRST, "litellm_llm_api_time_to_first_token_metric", _LITELLM, "proxy"
    ),
    "envoy-ai/errors": _read_errors(
        "Requests that failed, as Envoy AI Gateway counts.",
        "gen_ai_server_request_duration_seconds_count",
        _GENAI,
        "proxy",
    ),
    "envoy-ai/duration": _read_values(
        "Time to the whole answer.", "gen_ai_server_request_duration_seconds", _GENAI, "proxy"
    ),
    "envoy-ai/ttft": _read_values(
        _TO_FIRST, "gen_ai_server_time_to_first_token_seconds", _GENAI, "proxy"
    ),
}


def _build(name: str, spec: dict[str, Any]) -> MetricTemplate:
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "MetricTemplate"}
    return MetricTemplate.model_validate({**head, "metadata": {"name": name}, "spec": spec})


SHIPPED = {name: _build(name, spec) for name, spec in _SPECS.items()}
METRICS = {name: template.metric for name, template in SHIPPED.items()}
