"""Pages of the servers that have a shipped template: in short forms, since all are alike."""

from __future__ import annotations

from tests.live.expositions import Json
from tests.live.page_forms import apart, exposures, rate, sums, values

ROUTE = (
    'parent_group="core",parent_kind="Service",parent_namespace="default",parent_name="summarizer"'
    ',route_name="split",backend_kind="Service",backend_namespace="default",backend_name="{}"'
)
NGINX = 'controller_class="k8s.io/ingress-nginx",ingress="web",service="summarizer",{}'
NGINX += ',namespace="default"'
NGINX_ARMS: Json = {
    "arms": {"stable": {"canary": ""}, "canary": {"canary": "default-summarizer-v2-80"}}
}
TRAEFIK = 'method="POST",protocol="http",service="{}"'
OTEL = 'http_request_method="POST",http_route="/v1",service_name="summarizer",service_version="{}"'
JUDGED = 'service="summarizer",model_version="{}"'
AI = 'gen_ai_operation_name="chat",gen_ai_request_model="{}"'
LLMD = 'model_name="m",target_model_name="{}"'
LITELLM = 'requested_model="m",model_id="{}"'
BY_MODEL: Json = {"version": "model_name"}
BY_ID: Json = {"version": "model_id"}

MODEL = 'model_name="{}",engine="0"'
FINISHED = "vllm:request_success_total"
SCORED: Json = {"name": "it", "tolerance": 0.5}
BACKENDS = ("summarizer-v1", "summarizer-v2")
TRAEFIK_VERSIONS = ("default-v1-80@kubernetes", "default-v2-80@kubernetes")
NGINX_VERSIONS = ('canary=""', 'canary="default-summarizer-v2-80"')
ENVOY = 'destination_service="summarizer",destination_version="{}"'
LINKERD = 'direction="inbound",app="summarizer",version="{}",namespace="default"'
ISTIO = (
    'reporter="source",destination_service_name="summarizer",'
    'destination_service_namespace="default",destination_version="{}"'
)

PAGES = [
    rate(
        "envoy/errors",
        "envoy_cluster_upstream_rq",
        ENVOY,
        ('envoy_response_code="200"', 'envoy_response_code="503"'),
    ),
    values("envoy/latency", "envoy_cluster_upstream_rq_time", ENVOY),
    values("istio/latency", "istio_request_duration_milliseconds", ISTIO),
    rate(
        "linkerd/errors",
        "response_total",
        LINKERD,
        ('classification="success"', 'classification="failure"'),
    ),
    values("linkerd/latency", "response_latency_ms", LINKERD),
    rate(
        "linkerd-route/errors",
        "outbound_http_route_backend_response_statuses_total",
        ROUTE,
        (
            'http_status="200",error=""',
            'http_status="",error="RESPONSE_HEADERS_TIMEOUT"',
            'http_status="503",error=""',
        ),
        versions=BACKENDS,
    ),
    rate(
        "linkerd-route/grpc-errors",
        "outbound_grpc_route_backend_response_statuses_total",
        ROUTE,
        ('grpc_status="NOT_FOUND",error=""', 'grpc_status="UNAVAILABLE",error=""'),
        versions=BACKENDS,
    ),
    values(
        "linkerd-route/latency",
        "outbound_http_route_backend_response_duration_seconds",
        ROUTE,
        versions=BACKENDS,
    ),
    rate(
        "nginx/errors",
        "nginx_ingress_controller_requests",
        NGINX,
        ('status="200"', 'status="502"'),
        own=NGINX_ARMS,
        versions=NGINX_VERSIONS,
    ),
    values(
        "nginx/latency",
        "nginx_ingress_controller_response_duration_seconds",
        NGINX + ',status="200"',
        own=NGINX_ARMS,
        versions=NGINX_VERSIONS,
    ),
    rate(
        "traefik/errors",
        "traefik_service_requests_total",
        TRAEFIK,
        ('code="200"', 'code="500"'),
        versions=TRAEFIK_VERSIONS,
    ),
    values(
        "traefik/latency",
        "traefik_service_request_duration_seconds",
        TRAEFIK,
        versions=TRAEFIK_VERSIONS,
    ),
    rate(
        "http/server-errors",
        "http_server_request_duration_seconds_count",
        OTEL,
        (
            'http_response_status_code="200"',
            'error_type="java.net.SocketTimeoutException"',
            'http_response_status_code="500",error_type="500"',
        ),
    ),
    values("http/server-latency", "http_server_request_duration_seconds", OTEL),
    rate(
        "http-before-1.23/server-errors",
        "http_server_duration_milliseconds_count",
        OTEL,
        ('http_status_code="200"', 'http_status_code="500"'),
    ),
    values("http-before-1.23/server-latency", "http_server_duration_milliseconds", OTEL),
    values("quality/score", "gen_ai_evaluation_score", JUDGED, limit=SCORED),
    rate(
        "quality/verdict",
        "gen_ai_evaluation_verdicts_total",
        JUDGED,
        ('gen_ai_evaluation_score_label="pass"', 'gen_ai_evaluation_score_label="fail"'),
    ),
    apart(
        "quality/coverage",
        ("gen_ai_evaluation_errors_total", "gen_ai_evaluation_requested_total"),
        JUDGED,
    ),
    apart(
        "summary/invalid",
        ("summary_output_invalid_total", "summary_outputs_total"),
        JUDGED,
        'reason="schema"',
    ),
    apart(
        "summary/findings",
        ("summary_findings_total", "summaries_evaluated_total"),
        JUDGED,
        'kind="omission",severity="major"',
        more='kind="omission",severity="minor"',
    ),
    *(
        apart(
            f"summary/{kind}s",
            ("summary_findings_total", "summaries_evaluated_total"),
            JUDGED,
            f'kind="{kind}",severity="major"',
            more=f'kind="{other}",severity="major"',
        )
        for kind, other in (("hallucination", "omission"), ("omission", "hallucination"))
    ),
    rate(
        "summary/edits",
        "summary_reviews_total",
        JUDGED,
        ('action="accepted"', 'action="rejected"', 'action="edited"'),
    ),
    values("summary/edit-share", "summary_edit_ratio", JUDGED),
    rate("summary/feedback", "summary_feedback_total", JUDGED, ('vote="up"', 'vote="down"')),
    rate(
        "vllm/length-stops",
        FINISHED,
        MODEL,
        ('finished_reason="stop"', 'finished_reason="length"', 'finished_reason="abort"'),
        own=BY_MODEL,
    ),
    *(
        values(template, f"vllm:{name}_seconds", MODEL, own=BY_MODEL)
        for template, name in (
            ("vllm/itl", "inter_token_latency"),
            ("vllm-before-0.11/itl", "time_per_output_token"),
            ("vllm/tpot", "request_time_per_output_token"),
            ("vllm/e2e", "e2e_request_latency"),
            ("vllm/queue", "request_queue_time"),
        )
    ),
    *(
        sums(
            f"genai/{template}",
            (
                f"gen_ai_client_inference_usage_{direction}_tokens_total",
                "gen_ai_client_inference_duration_seconds_count",
            ),
            AI,
        )
        for template, direction in (("tokens", "output"), ("input-tokens", "input"))
    ),
    sums(
        "genai-operation/mean-tokens",
        ("gen_ai_client_token_usage_sum", "gen_ai_client_token_usage_count"),
        AI + ',gen_ai_token_type="output"',
    ),
    sums(
        "litellm/tokens",
        ("litellm_output_tokens_metric_total", "litellm_requests_metric_total"),
        LITELLM,
        own=BY_ID,
    ),
    sums(
        "litellm/spend",
        ("litellm_spend_metric_total", "litellm_requests_metric_total"),
        LITELLM,
        own=BY_ID,
        step=0.000001,
    ),
    values("genai/duration", "gen_ai_client_inference_duration_seconds", AI),
    values("genai/ttfc", "gen_ai_client_inference_time_to_first_chunk_seconds", AI),
    rate(
        "genai-operation/errors",
        "gen_ai_client_operation_duration_seconds_count",
        AI,
        ("", 'error_type="timeout"'),
    ),
    values("genai-operation/ttfc", "gen_ai_client_operation_time_to_first_chunk_seconds", AI),
    *(
        values(name, "gen_ai_client_token_usage", AI + ',gen_ai_token_type="output"')
        for name in ("genai-operation/tokens", "envoy-ai/tokens")
    ),
    *(
        exposures(
            f"{family}/exposure",
            f"{prefix}_model_rewrite_decisions_total",
            'model_rewrite_name="split",model_name="alias",target_model="{}"',
        )
        for family, prefix in (
            ("llmd", "llm_d_epp"),
            ("llmd-objective", "inference_extension"),
        )
    ),
    *(
        values(f"llmd/{template}", f"llm_d_epp_request_{name}_seconds", LLMD)
        for template, name in (
            ("latency", "duration"),
            ("ttft", "ttft"),
            ("tpot", "streaming_tpot"),
            ("itl", "streaming_itl"),
        )
    ),
    apart(
        "llmd-objective/errors",
        ("inference_objective_request_error_total", "inference_objective_request_total"),
        LLMD,
        'error_code="503"',
    ),
    values("llmd-objective/latency", "inference_objective_request_duration_seconds", LLMD),
    apart(
        "litellm/deployment-errors",
        (
            "litellm_deployment_failure_responses_total",
            "litellm_deployment_total_requests_total",
        ),
        LITELLM,
        'exception_status="500"',
    ),
    apart(
        "litellm/fallbacks",
        (
            "litellm_deployment_successful_fallbacks_total",
            "litellm_proxy_total_requests_metric_total",
        ),
        'requested_model="{}"',
        'fallback_model="other"',
    ),
    values("litellm/latency", "litellm_request_total_latency_metric", LITELLM, own=BY_ID),
    values("litellm/ttft", "litellm_llm_api_time_to_first_token_metric", LITELLM, own=BY_ID),
    rate(
        "envoy-ai/errors",
        "gen_ai_server_request_duration_seconds_count",
        AI,
        ("", 'error_type="500"'),
    ),
    values("envoy-ai/duration", "gen_ai_server_request_duration_seconds", AI),
    values("envoy-ai/tpot", "gen_ai_server_time_per_output_token_seconds", AI),
]
"""One page for each shipped template that has none among the declared metrics."""

SHIPPED_PAGES = {page.guardrail["template"]: page for page in PAGES}
