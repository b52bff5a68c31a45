"""A number is what programs write, and nothing else that Python takes for one."""

import math

import pytest

from rollout.answers.float_text import read_float, read_whole


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


@pytest.mark.parametrize("text", ["1_0", " 10", "10 ", "+10", "-1", "\u0661", "1.0", "1e1", ""])
def test_a_whole_number_is_digits_alone(text):
    assert read_whole("010") == 10
    with pytest.raises(ValueError, match="digits only"):
        read_whole(text)
