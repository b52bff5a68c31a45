"""A selector that matches nothing reads as "no errors": values that are nearly its own tell."""

from __future__ import annotations

import pytest

from rollout.doctor.probe.outcomes import describe_values, explain_unmatched
from rollout.plan.model.metric import Counter

HTTP = ("200", "404", "429", "500", "503")
GRPC = ("OK", "Internal", "DeadlineExceeded")
NUMBERS = ("0", "5", "16")


def explain(bad, values, label="code", where=None, outside=()):
    """What is told of series with these values; `outside` are those that `where` leaves out."""
    counter = {"series": "x_total", "bad": {label: bad}, "where": where}
    rows = [{label: value} for value in values]
    metric = Counter.model_validate(counter).metric
    return explain_unmatched(metric, rows, lambda _text: [({}, 1.0)] * bool(outside))


@pytest.mark.parametrize(
    ("bad", "values", "cure"),
    [
        ("5xx", HTTP, '"=~5.."'),
        ("4XX", HTTP, '"=~4.."'),
        ("5??", HTTP, '"=~5.."'),
        ("=~5xx", HTTP, '"=~5.."'),
        ("=~5", HTTP, '"=~5.."'),
        ("=~ 5..", HTTP, '"=~5.."'),
        ("=~50", HTTP, '"=~5.."'),
        ("=~4|5", HTTP, '"=~404|429|500|503"'),
        ("internal", GRPC, '"Internal"'),
        ("INTERNAL ", GRPC, '"Internal"'),
        ("=~INTERNAL|UNKNOWN", GRPC, '"Internal"'),
        ("=~Deadline", GRPC, '"DeadlineExceeded"'),
        ("=~timeout", ("none", "connect_timeout", "read_timeout"), '"=~connect_timeout|read_t'),
    ],
)
def test_what_is_nearly_right_is_told_with_what_to_write(bad, values, cure):
    message, fix = explain(bad, values)
    assert "which `bad` asks for: code is " in message
    assert fix.startswith(f"write {cure}")


@pytest.mark.parametrize(
    ("bad", "values"),
    [
        ("=~5..", HTTP),
        ("=~5..", ("200", "404")),  # there are none now
        ("503", ("200", "500")),
        ("5xx", ("2xx", "4xx")),  # classes are values here
        ("0", HTTP),  # of a proxy that got no answer
        ("=~1|2", NUMBERS),
        ("=~2|4|12|13|14|15", NUMBERS),
        ("=~Internal|Unknown", ("OK", "NotFound")),
        ("!=", ("", "timeout")),
        ("!=ok", ("ok",)),
        ("!~2..", ("200",)),
        ("=~a{1000}", ("ab",)),
    ],
)
def test_what_may_be_true_is_no_mistake(bad, values):
    assert explain(bad, values) is None


def test_one_of_several_entries_that_matches_nothing_is_told():
    bad = [{"code": "=~5.."}, {"grpc": "INTERNAL"}]
    metric = Counter.model_validate({"series": "x_total", "bad": bad}).metric
    rows = [{"code": "500"}, {"grpc": "Internal"}]
    message, _ = explain_unmatched(metric, rows, lambda _: []) or ("", "")
    assert 'has grpc: "INTERNAL"' in message


def test_a_where_that_leaves_out_what_is_bad_is_told():
    where = {"code": "=~2..", "route": "/a"}
    message, fix = explain("=~5..", ("200",), where=where, outside=("500",))
    assert message == "`where` leaves out what `bad` selects by code"
    assert "widen `where`" in fix
    assert explain("=~5..", ("200",), where=where) is None
    assert explain("=~5..", ("200",), where={"route": "/a"}, outside=("500",)) is None


def test_a_counter_of_bad_units_needs_the_labels_that_are_asked_for():
    own = {"series": "f_total", "where": {"resaon": "crash", "pool": "!="}}
    metric = Counter.model_validate({"bad": own, "total": {"series": "x_total"}}).metric
    rows = [{"__name__": "x_total"}, {"__name__": "f_total", "reason": "crash", "pool": "a"}]
    message, fix = explain_unmatched(metric, rows, lambda _: []) or ("", "")
    assert message == "no series of f_total has the label resaon"
    assert fix.endswith("its labels are pool, reason")
    assert explain_unmatched(metric, rows[:1], lambda _: []) is None  # born with a failure


@pytest.mark.parametrize(
    ("values", "words"),
    [(("200", "404"), ['code is "200", "404"']), (("200",), []), (("200", "500"), [])],
)
def test_what_is_there_is_told_while_nothing_is_bad(values, words):
    metric = Counter.model_validate({"series": "x_total", "bad": {"code": "500"}}).metric
    assert [*describe_values(metric, [{"code": value} for value in values])] == words


@pytest.mark.parametrize(
    ("bad", "values", "cure"),
    [
        ("13", ("OK",), '"INTERNAL"'),
        ("=~2|4|13", ("OK", "NotFound"), '"=~Unknown|DeadlineExceeded|Internal"'),
        ("=~INTERNAL|DATA_LOSS", ("0",), '"=~13|15"'),
        ("=~Internal|DataLoss", ("OK", "NOT_FOUND"), '"=~INTERNAL|DATA_LOSS"'),
    ],
)
def test_outcomes_of_calls_that_are_spelt_otherwise_are_told_before_one_fails(bad, values, cure):
    message, fix = explain(bad, values, label="grpc_code")
    assert "is spelt like" in message
    assert fix.startswith(f"write {cure}")


@pytest.mark.parametrize(
    ("bad", "values", "label"),
    [
        ("=~2|13", ("0",), "grpc_status"),
        ("INTERNAL", ("OK",), "grpc_code"),
        ("Internal", ("OK",), "grpc_code"),
        ("=~INTERNAL|UNKNOWN", ("0", "1"), "exit"),  # numbers of something else
        ("5xx", ("OK",), "code"),
        ("!=OK", ("OK",), "grpc_code"),
    ],
)
def test_outcomes_of_calls_that_may_come_are_not_told(bad, values, label):
    assert explain(bad, values, label=label) is None
