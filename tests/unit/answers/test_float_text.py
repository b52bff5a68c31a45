"""A number is what programs write, and nothing else that Python takes for one."""

import math

import pytest

from rollout.answers.float_text import read_float


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.5", 0.5), ("-3", -3.0), ("1e+06", 1e6), ("1E-3", 1e-3), ("+Inf", math.inf), (".5", 0.5)],
)
def test_what_prometheus_writes_is_read(text, number):
    assert read_float(text) == number
    assert math.isnan(read_float("NaN"))


@pytest.mark.parametrize(
    "text",
    [
        "1_000",
        "\u0661\u0662",
        "\uff11",
        " 1",
        "1\n",
        "1\u00a0",
        "1\x00",
        "",
        "0x10",
        "1,5",
        "\ud800",
    ],
)
def test_what_only_python_takes_is_no_number(text):
    with pytest.raises(ValueError, match=r".+"):
        read_float(text)
