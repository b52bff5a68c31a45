"""A copy with other fields is what `dataclasses.replace` makes, less what was worked out."""

import dataclasses
from functools import cached_property
from typing import Any

import pytest

from analysis.fast_replace import replace


@dataclasses.dataclass(frozen=True)
class Sum:
    first: int
    other: int = 2

    @cached_property
    def total(self) -> int:
        return self.first + self.other


@pytest.mark.parametrize("asked", [False, True])
def test_a_copy_has_the_new_fields_and_the_old_ones(asked):
    before = Sum(1)
    assert not asked or before.total == 3
    after = replace(before, first=5)
    assert after == dataclasses.replace(before, first=5)
    assert (before.first, after.first, after.other, after.total) == (1, 5, 2, 7)


def test_a_copy_is_as_frozen_as_the_original():
    after: Any = replace(Sum(1), first=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.first = 3


def test_a_field_that_does_not_exist_is_an_error():
    changes: dict[str, Any] = {"third": 3}
    with pytest.raises(TypeError, match="third"):
        replace(Sum(1), **changes)
