"""Mirrors on an Envoy: ours beside those of others, and those that go straight to the canary."""

import copy

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.live import list_leading
from rollout.route.envoy.traffic import patch, split_of

ARMS = Arms("s-v1", "s-v2", "s-v2-shadow")
COPIES = Split(50, 100, "mirror")
FIELD = "request_mirror_policies"


def manifest(**action):
    route = {"weighted_clusters": {"clusters": [{"name": "s-v1", "weight": 1}]}, **action}
    host = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
    return {"version_info": "7", "resources": [{"name": "s", "virtual_hosts": [host]}]}


def holders(document):
    """The configuration, its virtual host and the route's action: each may mirror requests."""
    (config,) = document["resources"]
    (host,) = config["virtual_hosts"]
    return {"configuration": config, "host": host, "route": host["routes"][0]["route"]}


def mirrored(where, cluster):
    live = manifest()
    holders(live)[where][FIELD] = [{"cluster": cluster}]
    return live


@pytest.mark.parametrize("where", ["configuration", "host", "route"])
def test_mirrors_to_the_canary_are_seen_and_go_unless_they_were_there_before(where):
    first = manifest()
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1", before=before)
    holders(live)[where][FIELD] = [{"cluster": "audit"}, {"cluster": "s-v2"}]
    back = patch(live, ARMS, Split(0), "r/2", before=before)
    assert holders(back)[where][FIELD] == [{"cluster": "audit"}]
    again = copy.deepcopy(back)
    holders(again)[where][FIELD] = [{"cluster": "s-v2"}]
    assert split_of(again, ARMS, 100, before=before) == Split(100, 100, "mirror")
    theirs = mirrored(where, "s-v2")
    assert split_of(theirs, ARMS, 100) == Split(0)
    before = list_leading(theirs, theirs, ARMS)
    live = patch(theirs, ARMS, Split(5), "r/1", before=before)
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert back["resources"] == theirs["resources"]
    assert split_of(back, ARMS, 100, before=before) == Split(0)


@pytest.mark.parametrize("where", ["configuration", "host", "route"])
def test_copies_go_out_beside_those_of_the_virtual_host(where):
    """Envoy takes the innermost policies alone: ours must not put those around it out of force."""
    first = mirrored(where, "audit")
    sent = patch(first, ARMS, COPIES, "r/1")
    clusters = [policy["cluster"] for policy in holders(sent)["route"][FIELD]]
    assert clusters == ["audit", "s-v2-shadow"]
    assert patch(sent, ARMS, COPIES, "r/1") == sent
    before = list_leading(first, first, ARMS)
    back = patch(sent, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert back["resources"] == first["resources"]


@pytest.mark.parametrize("where", ["configuration", "host", "route"])
def test_copies_are_refused_beside_those_that_people_send_to_the_canary(where):
    with pytest.raises(RouteError, match="copies requests to the canary already"):
        patch(mirrored(where, "s-v2"), ARMS, COPIES, "r/1")
