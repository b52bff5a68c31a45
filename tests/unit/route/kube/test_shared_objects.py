"""Two services in one object, whose versions have the same names: none takes the other's routes."""

import copy

import pytest

from rollout.decide.record.split import Split
from rollout.route.kube.patch import patch, split_of
from rollout.route.kube.view import exposure
from tests.support.routes import gateway, http_route, istio, merged, plan, ref, to, virtual_service

ONE = {"istio": istio(http=["r1"]), "gateway": gateway(rules=["r1"])}
OTHER = {
    "istio": plan(
        {"istio": {"virtualService": "reviews", "host": "reviews", "http": ["r2"]}}, service="b"
    ),
    "gateway": plan(
        {
            "gateway": {
                "httpRoute": "reviews",
                "rules": ["r2"],
                "backends": {"stable": "reviews-v1", "canary": "reviews-v2"},
            }
        },
        service="b",
    ),
}
KINDS = pytest.mark.parametrize("kind", ["istio", "gateway"])


def fresh(kind):
    """An object with a route for each service."""
    if kind == "gateway":
        live = http_route([ref("reviews-v1")], [ref("reviews-v1")])
        live["spec"]["rules"][1]["matches"] = [{"path": {"type": "Exact", "value": "/b"}}]
    else:
        live = virtual_service([to("reviews", None, "v1")], [to("reviews", None, "v1")])
        live["spec"]["http"][1]["match"] = [{"uri": {"exact": "/b"}}]
    return live


def write(live, asked, number, split, before, *, is_last=False):
    change = patch(live, asked, split, f"{asked.id}/{number}", before, is_last=is_last)
    return copy.deepcopy(merged(live, change))


def routes_of(live):
    return live["spec"].get("http") or live["spec"]["rules"]


def look(live, asked, before):
    """What a journal knows after a look."""
    return (*before, *exposure(live, asked, before).lacking)


def begun(kind):
    """Both rollouts at their first step, and what the journal of each has."""
    live, first, second = fresh(kind), ONE[kind], OTHER[kind]
    before = exposure(live, first).leading
    live = write(live, first, 1, Split(5), None)
    theirs = exposure(live, second).leading
    return write(live, second, 1, Split(20), None), before, theirs


@KINDS
@pytest.mark.parametrize("is_last", [False, True], ids=["on trial", "promoted"])
@pytest.mark.parametrize("is_noted", [True, False], ids=["noted", "notes lost"])
def test_what_has_all_traffic_is_no_stray_of_the_other(kind, is_last, is_noted):
    live, before, theirs = begun(kind)
    before = look(live, ONE[kind], before)
    live = write(live, OTHER[kind], 2, Split(100), theirs, is_last=is_last)
    if not is_noted:
        del live["metadata"]["annotations"]
    held = copy.deepcopy(routes_of(live)[1])
    assert exposure(live, ONE[kind], before).strays == ()
    assert split_of(live, ONE[kind], 100, before) == Split(5)
    for number, split in enumerate([Split(50), Split(100), Split(0)], 3):
        live = write(live, ONE[kind], number, split, before, is_last=split == Split(0))
        assert routes_of(live)[1] == held
        assert split_of(live, ONE[kind], 100, before) == split


@KINDS
def test_the_last_rollout_in_an_object_leaves_no_note_of_either(kind):
    live, before, theirs = begun(kind)
    live = write(live, OTHER[kind], 2, Split(100), theirs, is_last=True)
    notes = live["metadata"]["annotations"]
    assert [key for key in notes if key.endswith("/b")] == ["routes.surefoot.dev/b"]
    live = write(live, ONE[kind], 2, Split(100), before, is_last=True)
    assert live["metadata"]["annotations"] == {}


@KINDS
def test_what_an_ended_rollout_moved_is_noted_until_the_journal_of_the_other_has_it(kind):
    live, before, theirs = begun(kind)
    live = write(live, OTHER[kind], 2, Split(100), theirs, is_last=True)
    unread = write(live, ONE[kind], 2, Split(50), before)
    assert "routes.surefoot.dev/b" in unread["metadata"]["annotations"]
    before = look(live, ONE[kind], before)
    live = write(live, ONE[kind], 2, Split(50), before)
    assert not [key for key in live["metadata"]["annotations"] if key.endswith("/b")]
    held = copy.deepcopy(routes_of(live)[1])
    live = write(live, ONE[kind], 3, Split(0), before, is_last=True)
    assert routes_of(live)[1] == held
    assert live["metadata"]["annotations"] == {}


@KINDS
def test_a_mark_that_an_older_version_left_holds_no_note(kind):
    live, before, theirs = begun(kind)
    live["metadata"]["annotations"]["mark.surefoot.dev/ended"] = "ended-v2-1a2b3c4d/7"
    live = write(live, OTHER[kind], 2, Split(100), theirs, is_last=True)
    live = write(live, ONE[kind], 2, Split(100), look(live, ONE[kind], before), is_last=True)
    assert [*live["metadata"]["annotations"]] == ["mark.surefoot.dev/ended"]


@KINDS
def test_a_promotion_that_is_followed_is_rolled_back_without_the_other_s_routes(kind):
    """Its own notes are gone by then, and those of the other, that ended after it, are too."""
    live, before, theirs = begun(kind)
    live = write(live, OTHER[kind], 2, Split(100), theirs, is_last=True)
    theirs = look(live, OTHER[kind], theirs)
    live = write(live, ONE[kind], 2, Split(100), before, is_last=True)
    held = copy.deepcopy(routes_of(live)[0])
    back = write(live, OTHER[kind], 3, Split(0), theirs, is_last=True)
    assert routes_of(back)[0] == held
    assert routes_of(back)[1] == routes_of(fresh(kind))[1]


@KINDS
def test_a_route_that_the_other_took_back_is_nobody_s(kind):
    """If somebody gives the canary traffic there by hand, that is a stray like any other."""
    live, before, theirs = begun(kind)
    before = look(live, ONE[kind], before)
    live = write(live, OTHER[kind], 2, Split(0), theirs, is_last=True)
    assert look(live, ONE[kind], before) == before
    back = write(live, ONE[kind], 3, Split(0), before, is_last=True)
    assert back["spec"] == fresh(kind)["spec"]
    assert back["metadata"]["annotations"] == {}


@KINDS
def test_twins_are_told_apart_by_their_place(kind):
    """Two routes of equal content, each moved by the rollout of one service."""
    live = fresh(kind)
    first, second = routes_of(live)
    for key in ("match", "matches"):
        second.pop(key, None)
    live = write(live, ONE[kind], 1, Split(5), None)
    live = write(live, OTHER[kind], 1, Split(20), None)
    assert split_of(live, ONE[kind], 100) == Split(5)
    assert split_of(live, OTHER[kind], 100) == Split(20)
    live = write(live, ONE[kind], 2, Split(50), None)
    assert (split_of(live, ONE[kind], 100), split_of(live, OTHER[kind], 100)) == (
        Split(50),
        Split(20),
    )
    assert first != second


@KINDS
def test_a_plan_that_names_no_route_leaves_those_that_another_rollout_moves(kind):
    """It begins beside them, and takes none back."""
    asked, other = {"istio": istio(), "gateway": gateway()}[kind], OTHER[kind]
    live = write(fresh(kind), other, 1, Split(20), None)
    assert split_of(live, asked, 100) == Split(0)
    before = exposure(live, asked).leading
    live = write(live, asked, 1, Split(5), None)
    live = write(live, other, 2, Split(100), ())
    held = copy.deepcopy(routes_of(live)[1])
    assert split_of(live, asked, 100, before) == Split(5)
    before = look(live, asked, before)
    live = write(live, other, 3, Split(100), (), is_last=True)
    assert split_of(live, asked, 100, before) == Split(5)
    live = write(live, asked, 2, Split(50), before)
    live = write(live, asked, 3, Split(0), before, is_last=True)
    assert routes_of(live)[1] == held


@KINDS
def test_a_canary_that_is_stable_to_the_other_is_not_taken_from_it(kind):
    """The other is a version ahead: what one tries, the other has."""
    route = OTHER[kind].spec.route.model_dump(by_alias=True, exclude_none=True)
    if kind == "gateway":
        route["gateway"]["backends"] |= {"stable": "reviews-v2", "canary": "reviews-v3"}
    else:
        route["istio"]["subsets"] = {"stable": "v2", "canary": "v3"}
    ahead, live = plan(route, service="b", canary="v3"), fresh(kind)
    before = exposure(live, ONE[kind]).leading
    live = write(live, ONE[kind], 1, Split(5), None)
    live = write(live, OTHER[kind], 1, Split(100), ())
    before = look(live, ONE[kind], before)
    live = write(live, OTHER[kind], 2, Split(100), (), is_last=True)
    live = write(live, ahead, 1, Split(20), None)
    held = copy.deepcopy(routes_of(live)[1])
    assert exposure(live, ONE[kind], before).strays == ()
    live = write(live, ONE[kind], 2, Split(0), before, is_last=True)
    assert routes_of(live)[1] == held
