"""Regular expressions are taken where every mesh's RE2 takes them."""

import pytest
from pydantic import ValidationError

from rollout.plan.fields.base import RECORDED
from rollout.plan.fields.regex import compile_pattern, find_problem
from rollout.plan.model.mesh.traffic import Match
from tests.support.regexes import TAKEN

REFUSED = [
    r"(a)\1",
    r"\Z",
    r"\u0041",
    r"[\b]",
    "(?=a)",
    "(?#c)a",
    "(?x) a",
    "(?>a)",
    "a++",
    "a{2}+",
    "a{1,1001}",
    "(b(a{100})*){11}",
    f"a{{{'9' * 5000}}}",
    "(",
    "\ud800",
]
COMPLETE = {r"\z": "", r"\pL+": "é", r"\Qa.b\E": "a.b", ".*": "a\nb"}


@pytest.mark.parametrize("pattern", TAKEN)
def test_what_envoy_takes_is_taken(pattern):
    assert find_problem(pattern) == ""


@pytest.mark.parametrize("pattern", REFUSED, ids=range(len(REFUSED)))
def test_what_no_mesh_takes_is_refused_in_few_words(pattern):
    assert 0 < len(find_problem(pattern)) < 200


@pytest.mark.parametrize(("pattern", "text"), COMPLETE.items())
def test_whole_values_match_as_prometheus_has_it(pattern, text):
    matches = compile_pattern(pattern)
    assert matches(text)
    assert not matches(f"{text}\ud800") or pattern == ".*"


@pytest.mark.parametrize("test", ["exact", "prefix", "regex"])
def test_a_line_break_would_match_no_request(test):
    with pytest.raises(ValidationError, match="which no request has there"):
        Match.model_validate({"name": "x-ward", test: "icu\n"})


def test_a_plan_of_a_journal_is_read_as_it_was_accepted():
    match = {"name": "x-ward", "regex": "icu\\Z\n"}
    assert Match.model_validate(match, context=RECORDED).regex == match["regex"]
