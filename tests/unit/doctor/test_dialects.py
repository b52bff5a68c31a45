"""Other names of a metric: each dialect is reached from each other, and none is the name."""

from __future__ import annotations

from itertools import permutations

import pytest

from rollout.doctor.probe.dialects import (
    describe_dialect,
    find_dialects,
    list_siblings,
    list_spellings,
    list_templates,
)
from rollout.doctor.probe.labels import describe_shared_cluster, list_differing, list_labels
from rollout.errors import ObserveError
from rollout.plan.model.templates import METRICS

TOO = ", which is there too: two are never added"
FAMILIES = [
    ("litellm_proxy_total_requests_metric", "litellm_proxy_total_requests_metric_total"),
    ("gen_ai_client_inference_duration_seconds_count", "gen_ai_client_operation_duration_count"),
    ("gen_ai_client_token_usage_bucket", "gen_ai_client_token_usage_token_bucket"),
    ("vllm:inter_token_latency_seconds_bucket", "vllm:time_per_output_token_seconds_bucket"),
    ("vllm:request_success_total", "kserve_vllm:request_success_total"),
    ("app_latency_seconds_bucket", "app_latency_milliseconds_bucket", "app_latency_bucket"),
    ("llm_d_epp_request_total", "inference_objective_request_total"),
    (
        "llm_d_epp_model_rewrite_decisions_total",
        "inference_extension_model_rewrite_decisions_total",
    ),
]


@pytest.mark.parametrize(
    ("name", "other"), [pair for family in FAMILIES for pair in permutations(family, 2)]
)
def test_every_dialect_is_reached_from_every_other(name, other):
    assert other in list_spellings(name)


@pytest.mark.parametrize(
    "name", sorted({name for metric in METRICS.values() for name in metric.names})
)
def test_a_name_stands_last_among_its_spellings_and_has_a_template(name):
    spellings = list_spellings(name)
    assert spellings[-1] == name
    assert len(set(spellings)) == len(spellings)
    assert list_templates(name)


def test_a_counter_of_tokens_was_a_histogram_whose_sum_is_read():
    name = "gen_ai_client_inference_usage_output_tokens_total"
    assert "gen_ai_client_token_usage_sum" in list_spellings(name)
    assert "genai-operation/mean-tokens" in list_templates("gen_ai_client_token_usage_sum")


@pytest.mark.parametrize(
    ("template", "there", "words"),
    [
        ("envoy/errors", [], ""),
        ("genai/errors", [], ", in the dialect genai (of 6)"),
        ("llmd-objective/errors", [], ", in the dialect llmd-objective (of 2)"),
        (
            "llmd/errors",
            ["inference_objective_request_total"],
            f", in the dialect llmd (of 2), and not by llmd-objective/errors{TOO}",
        ),
        (
            "genai/tokens",
            ["gen_ai_client_operation_duration_seconds_count", "gen_ai_client_token_usage_sum"],
            f", in the dialect genai (of 6), and not by genai-operation/mean-tokens{TOO}",
        ),
        (
            "genai-operation/mean-tokens",
            ["gen_ai_client_inference_usage_output_tokens_total"],
            f", in the dialect genai-operation (of 6), and not by genai/tokens{TOO}",
        ),
        ("genai-operation/tokens", [], ", in the dialect genai-operation (of 3)"),
        ("genai-untranslated/tokens", [], ", in the dialect genai-untranslated (of 6)"),
        (
            "genai-dotted/duration",
            ["gen_ai_client_operation_duration_seconds_bucket"],
            f", in the dialect genai-dotted (of 6), and not by genai-operation/duration{TOO}",
        ),
    ],
)
def test_the_dialect_that_is_read_is_told_and_what_is_there_beside_it(template, there, words):
    names = METRICS[template].names

    def ask(_text):
        return [({"__name__": name}, 1.0) for name in (*names, *there)]

    assert describe_dialect(template, names, ask) == words


@pytest.mark.parametrize("template", sorted(METRICS))
def test_dialects_know_each_other(template):
    assert all(template in list_siblings(other) for other in list_siblings(template))


def test_a_name_that_is_there_is_no_dialect_of_itself():
    def ask(_text):
        names = ("x_seconds_bucket", "x_seconds", "x_bucket", "x.seconds_bucket")
        return [({"__name__": name}, 1.0) for name in names]

    # Without `_bucket` it is the native form of the same histogram.
    dialects = find_dialects(["x_seconds_bucket"], ask)
    assert dialects == {"x_seconds_bucket": ["x.seconds_bucket", "x_bucket"]}


def test_a_server_that_chooses_no_names_tells_no_dialect():
    def ask(_text):
        raise ObserveError("bad_data")

    assert find_dialects(["x_total"], ask) == {}


ROWS = [
    {"__name__": "x", "code": "200", "pod": "a", "build": "v1", "le": "1"},
    {"__name__": "x", "code": "500", "pod": "b", "build": "v1", "le": "2"},
]


def test_labels_that_may_be_meant_come_first():
    assert list_labels(ROWS, "status") == "its labels are code, build, pod"
    assert list_labels(ROWS, "app_version") == "its labels are build, pod, code"
    assert list_labels([], "status") == ""


def test_what_differs_is_told_but_outcomes_and_what_has_a_meaning():
    assert list_differing(ROWS, frozenset()) == 'pod ("a", "b")'
    assert list_differing(ROWS, frozenset({"pod"})) == ""


@pytest.mark.parametrize(
    ("cluster", "is_shared"),
    [
        ("httproute/web/api/rule/0", True),
        ("httproute/web/api/rule/0/backend/1", False),
        ("", False),
    ],
)
def test_a_cluster_of_a_rule_stands_for_all_of_its_backends(cluster, is_shared):
    assert bool(describe_shared_cluster([{"envoy_cluster_name": cluster}])) is is_shared
