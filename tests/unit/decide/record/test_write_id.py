"""Write ids: what a mark on a route says of its writer."""

import pytest

from rollout.decide.record.write_id import WriteId, attempt_id, find_rollout
from tests.support.worlds import plan


def test_an_id_is_read_as_it_was_written():
    assert WriteId.parse(str(WriteId("demo-1a2b3c4d", 12))) == WriteId("demo-1a2b3c4d", 12)


@pytest.mark.parametrize(
    "text",
    ["", "12", "/12", "first", "demo/", "demo/x", "demo/1/2", "demo/\u0661", "demo/" + "9" * 19],
)
def test_only_an_id_of_ours_names_a_rollout(text):
    assert WriteId.parse(text) is None
    assert find_rollout(text) == ""


def test_a_plan_s_attempts_are_its_own():
    own, other = plan(), plan("another")
    for rollout in (own.id, attempt_id(own.id, 2), attempt_id(own.id, 31)):
        assert WriteId(rollout, 1).is_of(own)
        assert not WriteId(rollout, 1).is_of(other)
