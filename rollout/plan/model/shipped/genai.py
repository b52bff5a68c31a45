"""Templates of clients of models by OpenTelemetry's conventions, before and since GenAI 0.1."""

from __future__ import annotations

from typing import Any

from rollout.plan.model.shipped.forms import Spec, add_up, count_bad, read_values

BY_MODEL = {"version": "gen_ai_request_model"}
PROXY: dict[str, Any] = {"reporter": "proxy"}
# OpenTelemetry: `error.type` stands on failures alone.
FAILED = {"error_type": "!="}
_OUTPUT_ALONE: Spec = {"where": {"gen_ai_token_type": "output"}}
OUTPUT = {**_OUTPUT_ALONE, "unit": "tokens"}
_TOKENS_A_CALL = {"unit": "tokens", "per": "call"}

_CHUNK_NEEDS = "The calls that stream: others have no first chunk."
_LENGTH_NEEDS = (
    "Longer answers cost more and are no failure: the tolerance is a share of the tokens. Since "
    "GenAI 0.1 tokens are counters, which have lost each call's own number: `genai/tokens` shows "
    "their mean."
)
SUM_NEEDS = (
    "It is shown and proves nothing: a counter has lost each call's own number. `times` of the "
    "guardrail keeps a promotion waiting."
)
_BEFORE = "by the name before GenAI 0.1."

GENAI: dict[str, Spec] = {
    "genai/errors": count_bad(
        "Calls of a model that failed, as its clients count (OpenTelemetry GenAI 0.1).",
        "gen_ai_client_inference_duration_seconds_count",
        FAILED,
        BY_MODEL,
        **PROXY,
    ),
    "genai/duration": read_values(
        "Time of a call, as its clients measure it (OpenTelemetry GenAI 0.1).",
        "gen_ai_client_inference_duration_seconds",
        BY_MODEL,
        **PROXY,
    ),
    "genai/ttfc": read_values(
        "Time to the first chunk, as its clients measure it (OpenTelemetry GenAI 0.1).",
        "gen_ai_client_inference_time_to_first_chunk_seconds",
        BY_MODEL,
        _CHUNK_NEEDS,
        **PROXY,
    ),
    "genai/tokens": add_up(
        "Output tokens a call, as its clients count (OpenTelemetry GenAI 0.1).",
        (
            {"series": "gen_ai_client_inference_usage_output_tokens_total"},
            {"series": "gen_ai_client_inference_duration_seconds_count"},
        ),
        BY_MODEL,
        SUM_NEEDS,
        **_TOKENS_A_CALL,
        **PROXY,
    ),
    "genai/input-tokens": add_up(
        "Input tokens a call, as its clients count (OpenTelemetry GenAI 0.1).",
        (
            {"series": "gen_ai_client_inference_usage_input_tokens_total"},
            {"series": "gen_ai_client_inference_duration_seconds_count"},
        ),
        BY_MODEL,
        SUM_NEEDS,
        **_TOKENS_A_CALL,
        **PROXY,
    ),
    "genai-operation/mean-tokens": add_up(
        f"As genai/tokens, {_BEFORE}",
        (
            {"series": "gen_ai_client_token_usage_sum", **_OUTPUT_ALONE},
            {"series": "gen_ai_client_token_usage_count", **_OUTPUT_ALONE},
        ),
        BY_MODEL,
        "It is shown and proves nothing: `genai-operation/tokens` judges the buckets instead.",
        **_TOKENS_A_CALL,
        **PROXY,
    ),
    "genai-operation/errors": count_bad(
        f"As genai/errors, {_BEFORE}",
        "gen_ai_client_operation_duration_seconds_count",
        FAILED,
        BY_MODEL,
        **PROXY,
    ),
    "genai-operation/duration": read_values(
        f"As genai/duration, {_BEFORE}",
        "gen_ai_client_operation_duration_seconds",
        BY_MODEL,
        **PROXY,
    ),
    "genai-operation/ttfc": read_values(
        f"As genai/ttfc, {_BEFORE}",
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        BY_MODEL,
        _CHUNK_NEEDS,
        **PROXY,
    ),
    "genai-operation/tokens": read_values(
        "Tokens of an answer, as its clients count, by the name before GenAI 0.1.",
        "gen_ai_client_token_usage",
        BY_MODEL,
        _LENGTH_NEEDS,
        **OUTPUT,
        **PROXY,
    ),
}
