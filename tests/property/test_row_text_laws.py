"""Rows that stay text are the rows that JSON has, whatever stands in labels and behind them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.errors import ObserveError
from rollout.observe.bulk.catalogue import Catalogue
from rollout.observe.bulk.row_texts import MANY, RowTexts, find_many, read_answer
from rollout.observe.matrix import make_series_key
from rollout.observe.selectors.source import source_of
from tests.support.asking import plan
from tests.support.examples import draw_up_to

PLAN = plan()
SOURCE = source_of(PLAN, PLAN.spec.guardrails[1])
TRICKS = (
    '"',
    "\\",
    '"le":"5"',
    ',"le":"5',
    '},"values":[[',
    ']]},{"metric":{',
    "[]",
    '"result":[{"metric":{',
    "é",
    "\u2028",
)
TEXTS = st.lists(st.sampled_from(TRICKS) | st.text("ab,:{}[]", max_size=3), max_size=3).map("".join)
NAMES = st.sampled_from(("pod", "job", 'a"le', "a,le", "values", "metric", "result"))
EDGES = st.sampled_from(("1", "2.5", "+Inf", "1e2", "x", "", '1"'))
SAMPLES = st.lists(
    st.tuples(st.sampled_from((1.5, 2, 3.25, 1_800_000_000.123)), st.sampled_from(("1", "2e3"))),
    min_size=1,
    max_size=3,
)


@st.composite
def rows(draw):
    labels = draw(st.dictionaries(NAMES, TEXTS, max_size=4))
    if draw(st.booleans()):
        labels["le"] = draw(EDGES)
    labels |= draw(st.dictionaries(NAMES, TEXTS, max_size=1))
    row: dict[str, object] = {"metric": {"__name__": "x", **labels}}
    kind = draw(st.sampled_from(("values", "values", "values", "histograms", "both")))
    if kind != "histograms":
        row["values"] = draw(SAMPLES)
    if kind != "values":
        row["histograms"] = [[1.5, {"count": "1", "sum": "2", "buckets": [[0, "0", "1", "1"]]}]]
    return row


def write(result, spaces=(",", ":"), **more):
    document = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return json.dumps(document, separators=spaces, ensure_ascii=False).encode()


@given(st.lists(rows(), min_size=1, max_size=6), st.sampled_from(((",", ":"), (", ", ": "))))
@draw_up_to(150)
def test_rows_are_those_of_the_answer(some, spaces):
    body = write(some * MANY, spaces, warnings=[], stats={"a": [["]]}"]]})
    document = read_answer(body)
    result = document.pop("data")["result"]
    own = json.loads(body)
    assert [*result] == own.pop("data")["result"]
    assert document == own
    texts = find_many(result)
    if texts is not None:
        assert [*texts] == [*result]


@given(st.lists(rows(), min_size=1, max_size=6))
@draw_up_to(150)
def test_label_sets_are_worked_out_as_one_by_one(some):
    texts = find_many(some, 1)
    if texts is None:
        return
    catalogue = Catalogue(SOURCE)
    for _ in range(2):
        answer = catalogue.read(texts)
        for number, row in zip(answer.ids.tolist(), some, strict=True):
            labels = row["metric"]
            series, edge = catalogue.series[number], catalogue.edges[number]
            assert series.key == make_series_key(labels, SOURCE)
            try:
                assert edge == float(labels.get("le", ""))
            except ValueError:
                assert edge is None


def test_a_plain_answer_stays_text_and_a_small_or_an_odd_one_does_not():
    row = {"metric": {"__name__": "x", "pod": "a"}, "values": [[1.5, "7"], [2.5, "8"]]}
    large = read_answer(write([row] * MANY))["data"]["result"]
    assert isinstance(large, RowTexts)
    assert large.labels[0] == b'"__name__":"x","pod":"a"'
    assert large.samples[0] == b'1.5,"7"],[2.5,"8"'
    assert isinstance(read_answer(write([row] * (MANY - 1)))["data"]["result"], list)
    empty = {"metric": {"__name__": "x"}, "values": []}
    result = read_answer(write([row] * MANY + [empty] + [row]))["data"]["result"]
    assert isinstance(result, list)
    assert len(result) == MANY + 2
    assert find_many(large) is large
    assert isinstance(find_many([row] * MANY), RowTexts)


@pytest.mark.parametrize("cut", [1, 2, 3, 40])
def test_an_answer_that_breaks_off_is_unreadable(cut):
    row = {"metric": {"__name__": "x", "pod": "a"}, "values": [[1.5, "7"]]}
    with pytest.raises(ValueError, match=r"EOF|trailing"):
        read_answer(write([row] * MANY)[:-cut])


@pytest.mark.parametrize("labels", [b'"pod":5', b'"pod":"a",', b'"pod":"\xff"', b'"a":"b"}x'])
def test_labels_that_are_none_are_refused(labels):
    catalogue = Catalogue(SOURCE)
    with pytest.raises(ObserveError, match="holds no series"):
        catalogue.read(RowTexts([labels], [b'1.5,"7"'], {}))
