"""Labels and values of segments are looked for in the series before a plan runs."""

from __future__ import annotations

import pytest

from rollout.doctor.probe.segments import of_plan
from rollout.errors import ObserveError
from tests.support.worlds import plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
SEGMENTS = [{"label": "department", "values": ["cardiology", "oncology"]}]
OWN = plan(guardrails=[ERRORS], segments=SEGMENTS)


def find(values):
    rows = [({"department": value} if value else {}, 1.0) for value in values]
    return next(of_plan(OWN, lambda _server, _text: rows))


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        (["cardiology", "oncology"], "ok", "every segment of department has series"),
        (["cardiology", "oncology", "x", "y"], "ok", "has series; 2 other values have no segment"),
        (["cardiology", "Oncology"], "warn", "no series has department=oncology"),
        ([""], "warn", "no series has the label department"),
        ([], "warn", "no series has the label department"),
    ],
)
def test_what_the_series_carry_is_told(values, level, message):
    finding = find(values)
    assert finding.level == level
    assert message in finding.said
    assert bool(finding.fix) == (level == "warn")


def test_a_counter_of_bad_units_without_the_label_is_told():
    """Every segment would look perfect: its units are counted, and its failures are not."""
    rows = [
        ({"__name__": "requests_total", "department": value}, 1.0)
        for value in ("cardiology", "oncology")
    ]
    rows.append(({"__name__": "failures_total"}, 1.0))
    finding = next(of_plan(OWN, lambda _server, _text: rows))
    assert finding.level == "warn"
    assert finding.said == "no series of failures_total has the label department"


def test_values_that_no_plan_names_are_not_told():
    finding = find(["cardiology", "oncology", "Mrs Smith"])
    assert "Smith" not in str(finding)


def test_what_does_not_answer_is_told_elsewhere():
    def silent(_server, _text):
        raise ObserveError("it is silent")

    assert list(of_plan(OWN, silent)) == []
