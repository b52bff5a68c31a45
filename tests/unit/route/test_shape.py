"""What a field may be: whole numbers as protobuf's JSON writes them, and no others."""

import pytest

from rollout.errors import RouteError
from rollout.route.shape import WHOLE, settle

SHAPE = {"weight": WHOLE}


@pytest.mark.parametrize(
    ("written", "meant"),
    [(50, 50), ("50", "50"), ("050", "050"), (50.0, 50), ("5e1", 50), ("50.0", 50)],
)
def test_a_whole_number_is_one_however_it_is_written(written, meant):
    assert settle({"weight": written}, SHAPE, "f") == {"weight": meant}


ODD = [
    50.5,
    -1,
    "-1",
    " 50 ",
    "5_0",
    "+50",
    "\u0665\u0660",
    "",
    "0x10",
    "1e99",
    True,
    [50],
    10**400,
]


@pytest.mark.parametrize("written", [*ODD, float("nan"), float("inf"), "9" * 5_000])
def test_no_other_is(written):
    with pytest.raises(RouteError, match="number was expected"):
        settle({"weight": written}, SHAPE, "f")
