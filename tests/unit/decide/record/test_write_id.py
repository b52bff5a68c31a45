"""Write ids: what a mark on a route says of its writer."""

import pytest

from rollout.decide.record.write_id import (
    WriteId,
    add_chain,
    attempt_id,
    drop_chain,
    find_rollout,
)
from tests.support.worlds import plan


def test_an_id_is_read_as_it_was_written():
    assert WriteId.parse(str(WriteId("demo-1a2b3c4d", 12))) == WriteId("demo-1a2b3c4d", 12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "/12",
        "first",
        "demo/",
        "demo/x",
        "demo/1/2",
        "demo/1@",
        "demo/1@abc",
        "demo/\u0661",
        "demo/" + "9" * 19,
    ],
)
def test_only_an_id_of_ours_names_a_rollout(text):
    assert WriteId.parse(text) is None
    assert find_rollout(text) == ""


OWN, OTHER = "3f9c01ab77de", "0123456789ab"


def test_an_id_in_a_mesh_names_its_journal():
    mark = add_chain("demo-1a2b3c4d/12", OWN)
    assert WriteId.parse(mark) == WriteId("demo-1a2b3c4d", 12, OWN)
    assert str(WriteId("demo-1a2b3c4d", 12, OWN)) == mark
    assert find_rollout(mark) == "demo-1a2b3c4d"


def test_only_the_own_journal_s_name_is_dropped():
    mark = "demo-1a2b3c4d/12"
    assert drop_chain(add_chain(mark, OWN), OWN) == mark
    assert drop_chain(add_chain(mark, OTHER), OWN) == add_chain(mark, OTHER)
    assert drop_chain(mark, OWN) == mark  # as versions before this wrote it


def test_what_is_no_id_gets_no_name():
    assert add_chain("by hand", OWN) == drop_chain("by hand", OWN) == "by hand"
    assert add_chain("demo-1a2b3c4d/12", "") == "demo-1a2b3c4d/12"


def test_a_plan_s_attempts_are_its_own():
    own, other = plan(), plan("another")
    for rollout in (own.id, attempt_id(own.id, 2), attempt_id(own.id, 31)):
        assert WriteId(rollout, 1).is_of(own)
        assert not WriteId(rollout, 1).is_of(other)
