"""What a cluster's object cannot carry is refused, so that somebody mends it."""

import pytest

from rollout.decide.record.split import Split
from rollout.errors import ClusterError, RouteError
from rollout.route.kube.objects import DESTINATION_RULE, VIRTUAL_SERVICE, as_route_error
from rollout.route.kube.router import ClusterRouter
from tests.support.routes import istio, to, virtual_service


class UnpatchableObjects:
    """A cluster that holds two objects and takes no patch."""

    def __init__(self, live, subsets=("v1",)):
        rule = {"spec": {"host": "reviews", "subsets": [{"name": name} for name in subsets]}}
        self.objects = {"VirtualService": live, "DestinationRule": rule}

    def get(self, kind, namespace, name):
        return self.objects[kind.name]

    def patch(self, kind, namespace, name, body, *, dry=False):
        raise AssertionError("nothing is written")


TWICE = virtual_service([to("reviews", 50, "v1"), to("reviews", 50, "v1")])
ELSEWHERE = virtual_service([to("reviews", 0, "v1"), to("maintenance", 100)])
PLAIN = virtual_service([to("reviews", 100, "v1")])


@pytest.mark.parametrize(
    ("live", "route", "words"),
    [
        (TWICE, {}, "names subset v1 of reviews twice"),
        (ELSEWHERE, {}, "sends all its traffic elsewhere"),
        (PLAIN, {"http": ["absent"]}, "has no http route named `absent`"),
        (PLAIN, {"destinationRule": "reviews"}, "v2"),
    ],
)
def test_an_advance_that_the_object_cannot_carry_is_refused(live, route, words):
    with pytest.raises(RouteError, match=words) as caught:
        ClusterRouter(UnpatchableObjects(live)).write(istio(**route), Split(5), "m")
    assert caught.value.refused


def test_what_is_only_read_so_is_tried_again():
    with pytest.raises(RouteError, match="has no http route named") as caught:
        ClusterRouter(UnpatchableObjects(PLAIN)).read(istio(http=["absent"]), 100)
    assert (caught.value.refused, caught.value.unread) == (False, False)


@pytest.mark.parametrize(
    ("verb", "status", "refused", "unread"),
    [
        *[("get", status, False, True) for status in (0, 401, 429, 500, 503)],
        *[("get", status, True, False) for status in (403, 404)],
        ("patch", 0, False, False),
    ],
)
def test_an_api_server_that_does_not_say_what_it_has_is_unread(verb, status, refused, unread):
    error = as_route_error(
        ClusterError("gone away", status), verb, VIRTUAL_SERVICE, istio(), "reviews"
    )
    assert (error.refused, error.unread) == (refused, unread)


@pytest.mark.parametrize("words", ['virtualservices "reviews" not found', "404 page not found"])
def test_a_route_that_is_gone_or_of_an_unknown_kind_gives_the_canary_nothing(words):
    for kind, verb, gives_nothing in [
        (VIRTUAL_SERVICE, "get", True),
        (VIRTUAL_SERVICE, "patch", False),
        (DESTINATION_RULE, "get", False),
    ]:
        error = as_route_error(ClusterError(words, 404), verb, kind, istio(), "reviews")
        assert error.gives_nothing is gives_nothing


def test_an_object_that_leads_elsewhere_gives_the_canary_nothing():
    away = virtual_service([to("maintenance", 100)])
    with pytest.raises(RouteError, match="no route of VirtualService") as caught:
        ClusterRouter(UnpatchableObjects(away)).read(istio(), 100)
    assert caught.value.gives_nothing
    pinned = virtual_service([to("maintenance", 100)], [to("reviews", 100, "v2")])
    with pytest.raises(RouteError, match="has no http route named `r9`") as caught:
        ClusterRouter(UnpatchableObjects(pinned)).read(istio(http=["r9"]), 100)
    assert not caught.value.gives_nothing


def test_what_leads_to_the_canary_beside_the_plan_s_routes_is_named():
    live = virtual_service([to("reviews", 100, "v1")], [to("reviews", 1, "v2")])
    live["spec"]["http"][1]["match"] = [{"headers": {"x": {"exact": "test"}}}]
    status = ClusterRouter(UnpatchableObjects(live)).read(istio(), 100)
    assert (status.split, status.pinned) == (Split(0), ("http route `r2`",))
    live["metadata"]["annotations"] = {
        "mark.surefoot.dev/reviews": f"{istio().id}/3",
        "split.surefoot.dev/reviews": "0/100",
    }
    status = ClusterRouter(UnpatchableObjects(live)).read(istio(), 100)
    assert (status.split, status.pinned) == (Split(100), ())
    assert status.strays == ("http route `r2`",), "a rollback moves it"


def test_one_route_of_two_at_nothing_does_not_hide_what_the_other_gives():
    both = [to("reviews", 95, "v1"), to("reviews", 5, "v2")]
    live = virtual_service([to("reviews", 100, "v1"), to("reviews", 0, "v2")], both)
    live["metadata"]["annotations"] = {
        "mark.surefoot.dev/reviews": f"{istio().id}/3",
        "split.surefoot.dev/reviews": "5/100",
    }
    router = ClusterRouter(UnpatchableObjects(live))
    assert router.read(istio(), 1000).split == Split(25, 1000), "an edit, and not nothing"
    live["metadata"]["annotations"]["split.surefoot.dev/reviews"] = "5/100 segment"
    live["spec"]["http"][1]["route"] = [to("reviews", 1, "v2")]
    assert router.read(istio(), 100).split == Split(100), "a stray counts in every mode"
