"""A segment's match in each mesh's words."""

import re

import pytest

from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.route import matching

COOKIES = [
    (
        {"exact": "b.1"},
        ["ab=b.1", "q=1; ab=b.1", "ab=b.1; q=1", "q=1;ab=b.1"],
        ["ab=bb1", "ab=b.12"],
    ),
    ({"prefix": "b+"}, ["ab=b+", "ab=b+x; q=1"], ["ab=bb", "zab=b+", "q=ab=b+"]),
    ({"regex": "b|c"}, ["ab=b", "ab=c"], ["ab=bc", "ab=d; q=c"]),
]


def segment(kind, **test):
    return Segment.model_validate({kind: {"name": "ab", **test}})


@pytest.mark.parametrize(("test", "inside", "outside"), COOKIES)
def test_a_cookie_is_a_part_of_its_header(test, inside, outside):
    match: dict[str, list[dict[str, dict[str, dict[str, str]]]]] = {}
    matching.envoy(match, segment("cookie", **test))
    (only,) = match["headers"]
    regex = only["string_match"]["safe_regex"]["regex"]
    assert [value for value in inside if not re.fullmatch(regex, value)] == []
    assert [value for value in outside if re.fullmatch(regex, value)] == []
    (istio,) = matching.istio([], segment("cookie", **test), "r")
    assert istio == {"headers": {"cookie": {"regex": regex}}}
    (rule,) = matching.gateway([], segment("cookie", **test), "r")
    header_test = {"name": "cookie", "type": "RegularExpression", "value": regex}
    assert rule == {"headers": [header_test]}


@pytest.mark.parametrize(
    ("kind", "test", "istio", "gateway"),
    [
        ("header", {"exact": "a"}, {"exact": "a"}, ("Exact", "a")),
        ("header", {"prefix": "a."}, {"prefix": "a."}, ("RegularExpression", r"a\..*")),
        ("header", {"regex": "a|b"}, {"regex": "a|b"}, ("RegularExpression", "a|b")),
        ("query", {"exact": "a"}, {"exact": "a"}, ("Exact", "a")),
        ("query", {"prefix": "a."}, {"regex": r"a\..*"}, ("RegularExpression", r"a\..*")),
    ],
)
def test_every_match_is_narrowed(kind, test, istio, gateway):
    field = "headers" if kind == "header" else "queryParams"
    theirs = [{"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/b"}}]
    narrowed = matching.istio(theirs, segment(kind, **test), "r")
    assert narrowed == [match | {field: {"ab": istio}} for match in theirs]
    header_test = {"name": "ab", "type": gateway[0], "value": gateway[1]}
    narrowed = matching.gateway(theirs, segment(kind, **test), "r")
    assert narrowed == [match | {field: [header_test]} for match in theirs]


def test_a_name_in_istio_is_in_lower_case():
    wanted = Segment.model_validate({"header": {"name": "X-Ward", "exact": "icu"}})
    assert matching.istio([], wanted, "r") == [{"headers": {"x-ward": {"exact": "icu"}}}]


def test_a_match_that_is_there_already_is_enough_and_another_is_refused():
    exact = segment("header", exact="a")
    same = [{"headers": {"ab": {"exact": "a"}}}]
    assert matching.istio(same, exact, "r") == same
    with pytest.raises(RouteError, match="r matches header ab already, by another value"):
        matching.istio([{"headers": {"ab": {"exact": "b"}}}], exact, "r")
    with pytest.raises(RouteError, match="r matches header ab already, by another value"):
        matching.gateway([{"headers": [{"name": "AB", "value": "b"}]}], exact, "r")
    assert matching.gateway([{"headers": [{"name": "ab", "value": "a"}]}], exact, "r") == [
        {"headers": [{"name": "ab", "value": "a"}]}
    ]
