"""Templates of servers and gateways of models."""

from __future__ import annotations

from rollout.plan.model.shipped.dotted import spell_dotted
from rollout.plan.model.shipped.forms import (
    Spec,
    add_up,
    count_apart,
    count_bad,
    count_exposures,
    read_values,
)
from rollout.plan.model.shipped.genai import (
    BY_MODEL,
    FAILED,
    GENAI,
    OUTPUT,
    PROXY,
    SUM_NEEDS,
)

# Both versions may serve one model under one name: which label differs is for the plan to say.
_VLLM: Spec = {}
_LITELLM: Spec = {}
_ALIAS = {"version": "requested_model"}
_LLMD = {"version": "target_model_name"}

_VLLM_NEEDS = (
    "`model_name` is the served name, often equal on both versions: name the label of the pod or "
    "the Deployment that the scrape adds, or `arms`. OpenShift AI prefixes the series "
    "(`kserve_vllm:`)."
)
_GAP_NEEDS = (
    "It counts every gap between two tokens, and those of one answer resemble each other: what is "
    "proven is proven for independent gaps. `tpot` counts answers; prefer it."
)
_ALIAS_NEEDS = (
    "`requested_model` is the alias that both versions share: name `model_id`. A fallback that "
    "answers counts for the model that answered: `litellm/deployment-errors` counts each attempt."
)
_FALLBACK_NEEDS = (
    "Versions with an alias of their own: a fallback counts for the alias that was asked for. "
    "Behind one alias nobody can tell whose request fell back; `litellm/deployment-errors` can."
)
_LLMD_NEEDS = "The endpoint picker counts by the model that a request is rewritten to."
_EXPOSURE_NEEDS = (
    "The share of traffic is tested by it, and no harm: keep a guardrail of errors beside it. "
    "Where several rewrites are configured, name yours by `labels.where` (`model_rewrite_name`)."
)
_AI_NEEDS = (
    "The versions are models; some providers do not say `gen_ai_response_model`, all have "
    "`gen_ai_request_model`."
)
_SPEND_NEEDS = (
    "LiteLLM's own prices, in USD; both count by `model` and, in newer releases, `model_id`. It is "
    "shown and proves nothing; `times` of the guardrail keeps a promotion waiting."
)
_TO_FIRST, _PER_TOKEN = "Time to the first token.", "Time per further token, by request."


def _count_reasons(description: str, reason: str) -> Spec:
    """How vLLM's requests ended; its counter of successes has errors too."""
    series, bad = "vllm:request_success_total", {"finished_reason": reason}
    return count_bad(description, series, bad, _VLLM, _VLLM_NEEDS, unit="answers")


def _read_vllm(description: str, name: str, needs: str = _VLLM_NEEDS) -> Spec:
    return read_values(description, f"vllm:{name}_seconds", _VLLM, needs)


def _read_llmd(description: str, name: str) -> Spec:
    return read_values(
        description, f"llm_d_epp_request_{name}_seconds", _LLMD, _LLMD_NEEDS, **PROXY
    )


_VLLM_SPECS = {
    "vllm/errors": _count_reasons("Requests that end in an error.", "error"),
    "vllm/length-stops": _count_reasons("Answers that are cut at the longest length.", "length"),
    "vllm/ttft": _read_vllm(_TO_FIRST, "time_to_first_token"),
    "vllm/itl": _read_vllm("Time between two tokens.", "inter_token_latency", _GAP_NEEDS),
    "vllm/tpot": _read_vllm(_PER_TOKEN, "request_time_per_output_token"),
    "vllm/e2e": _read_vllm("Time to the whole answer.", "e2e_request_latency"),
    "vllm/queue": _read_vllm("Time that a request waits.", "request_queue_time"),
    "vllm-before-0.11/itl": _read_vllm(
        "As vllm/itl, by the name before vLLM 0.11.", "time_per_output_token", _GAP_NEEDS
    ),
}

_LLMD_SPECS = {
    "llmd/errors": count_apart(
        "Requests that failed, as llm-d's endpoint picker counts.",
        ("llm_d_epp_request_error_total", "llm_d_epp_request_total"),
        _LLMD,
        _LLMD_NEEDS,
        **PROXY,
    ),
    "llmd/exposure": count_exposures(
        "Requests by the model that they were rewritten to, exactly.",
        "llm_d_epp_model_rewrite_decisions_total",
        {"version": "target_model"},
        _EXPOSURE_NEEDS,
        unit="decisions",
    ),
    "llmd/latency": _read_llmd("Time to the whole answer.", "duration"),
    "llmd/ttft": _read_llmd(_TO_FIRST, "ttft"),
    "llmd/tpot": _read_llmd(_PER_TOKEN, "streaming_tpot"),
    "llmd/itl": _read_llmd("Time between two tokens.", "streaming_itl"),
    "llmd-objective/exposure": count_exposures(
        "As llmd/exposure, by the name before llm-d's own.",
        "inference_extension_model_rewrite_decisions_total",
        {"version": "target_model"},
        _EXPOSURE_NEEDS,
        unit="decisions",
    ),
    "llmd-objective/errors": count_apart(
        "As llmd/errors, by the older names, which are still exported beside the new ones.",
        ("inference_objective_request_error_total", "inference_objective_request_total"),
        _LLMD,
        **PROXY,
    ),
    "llmd-objective/latency": read_values(
        "As llmd/latency, by the older names, which are still exported beside the new ones.",
        "inference_objective_request_duration_seconds",
        _LLMD,
        **PROXY,
    ),
}

_LITELLM_SPECS = {
    "litellm/errors": count_apart(
        "Requests that failed in LiteLLM's proxy.",
        ("litellm_proxy_failed_requests_metric_total", "litellm_proxy_total_requests_metric_total"),
        _LITELLM,
        _ALIAS_NEEDS,
        **PROXY,
    ),
    "litellm/deployment-errors": count_apart(
        "Attempts at a deployment that failed, whether or not a fallback answered.",
        (
            "litellm_deployment_failure_responses_total",
            "litellm_deployment_total_requests_total",
        ),
        {"version": "model_id"},
        **PROXY,
    ),
    "litellm/fallbacks": count_apart(
        "Requests for an alias that another model answered.",
        (
            "litellm_deployment_successful_fallbacks_total",
            "litellm_proxy_total_requests_metric_total",
        ),
        _ALIAS,
        _FALLBACK_NEEDS,
        **PROXY,
    ),
    "litellm/latency": read_values(
        "Time to the whole answer.",
        "litellm_request_total_latency_metric",
        _LITELLM,
        _ALIAS_NEEDS,
        **PROXY,
    ),
    "litellm/ttft": read_values(
        _TO_FIRST,
        "litellm_llm_api_time_to_first_token_metric",
        _LITELLM,
        _ALIAS_NEEDS,
        **PROXY,
    ),
}

_LITELLM_SUMS = {
    "litellm/tokens": add_up(
        "Output tokens a request.",
        (
            {"series": "litellm_output_tokens_metric_total"},
            {"series": "litellm_requests_metric_total"},
        ),
        _LITELLM,
        SUM_NEEDS,
        unit="tokens",
        **PROXY,
    ),
    "litellm/spend": add_up(
        "What a request costs.",
        ({"series": "litellm_spend_metric_total"}, {"series": "litellm_requests_metric_total"}),
        _LITELLM,
        _SPEND_NEEDS,
        unit="USD",
        step=0.000001,
        **PROXY,
    ),
}

_ENVOY_AI_SPECS = {
    "envoy-ai/errors": count_bad(
        "Requests that failed, as Envoy AI Gateway counts.",
        "gen_ai_server_request_duration_seconds_count",
        FAILED,
        BY_MODEL,
        _AI_NEEDS,
        **PROXY,
    ),
    "envoy-ai/duration": read_values(
        "Time to the whole answer.",
        "gen_ai_server_request_duration_seconds",
        BY_MODEL,
        _AI_NEEDS,
        **PROXY,
    ),
    "envoy-ai/ttft": read_values(
        _TO_FIRST, "gen_ai_server_time_to_first_token_seconds", BY_MODEL, _AI_NEEDS, **PROXY
    ),
    "envoy-ai/tpot": read_values(
        _PER_TOKEN, "gen_ai_server_time_per_output_token_seconds", BY_MODEL, _AI_NEEDS, **PROXY
    ),
    "envoy-ai/tokens": read_values(
        "Tokens of an answer, as Envoy AI Gateway counts.",
        "gen_ai_client_token_usage",
        BY_MODEL,
        "Exporters that add the unit call it `gen_ai_client_token_usage_token`.",
        **OUTPUT,
        **PROXY,
    ),
}

MODELS: dict[str, Spec] = {
    **_VLLM_SPECS,
    **GENAI,
    **spell_dotted(GENAI),
    **_LLMD_SPECS,
    **_LITELLM_SPECS,
    **_LITELLM_SUMS,
    **_ENVOY_AI_SPECS,
}
