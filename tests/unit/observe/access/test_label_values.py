"""However a server spells the labels of a series in its sentence, no value of them is repeated."""

import pytest

from rollout.observe.access.label_values import hide_values

WHO = "Jane Q. Roe <jane.roe@example.org>"


@pytest.mark.parametrize(
    "sentence",
    [
        'found duplicate series {u="%s", v="a"}',
        'found duplicate series {u=~"%s|x"}',
        r"bad series {u=\"%s\", v=\"a\"}",
        r'bad series {u="a \"%s\" b"}',
        'too long {u="%s',  # cut off
        "bad series {u='%s'}",
        "bad series {u=`%s`}",
        'labels {"u":"%s"}',
        'labels {"u": "%s"}',
        'label name:"u" value:"%s"',
        "labels map[u:%s v:a] of one",
        "labels map[u:%s",
        "labels {u: %s, v: a}",
    ],
)
def test_no_value_is_repeated(sentence):
    text = hide_values(sentence % WHO)
    assert "Jane" not in text
    assert "roe@" not in text
    assert "***" in text
    assert hide_values(text) == text


def test_values_without_quotes_are_hidden_too():
    assert hide_values("u=jane.roe@example.org, v!=b") == "u=***, v!=***"


@pytest.mark.parametrize(
    "sentence",
    [
        "the query hit the limit: 100000 series (err-mimir-max-series-per-query)",
        "query timed out in expression evaluation",
        'unknown function "x" at http://h:9090/api',
        "a == b",
        "Forbidden (user=system:serviceaccount:ml:surefoot, verb=get, resource=metrics)",
    ],
)
def test_other_words_stay(sentence):
    assert hide_values(sentence) == sentence


def test_what_stands_beside_a_refused_account_is_hidden():
    text = hide_values('Forbidden (user=eve, verb=get, resource=x) to {u="jane"}, v=jane')
    assert text == 'Forbidden (user=eve, verb=get, resource=x) to {u="***"}, v=***'
