"""Which faults are an odd number's in an entry, and which are ours."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest

from rollout.page.numbers import is_odd_number


def fault_of(work):
    with pytest.raises((ArithmeticError, ValueError)) as raised:
        work()
    return raised.value


@pytest.mark.parametrize(
    "work",
    [
        lambda: int(math.nan),
        lambda: int(math.inf),
        lambda: datetime.fromtimestamp(1e15, UTC),
        lambda: str(10**5000),
        lambda: json.dumps(math.nan, allow_nan=False),
        lambda: math.log(-1),
        lambda: 1.0 / 0,
        lambda: math.exp(1e9),
    ],
)
def test_a_number_that_cannot_be_shown_is_named_as_one(work):
    assert is_odd_number(fault_of(work))


@pytest.mark.parametrize(
    "work",
    [lambda: [1].index(2), lambda: int("x"), b"\xff".decode, lambda: json.loads("{")],
)
def test_any_other_is_a_fault_of_ours(work):
    assert not is_odd_number(fault_of(work))
