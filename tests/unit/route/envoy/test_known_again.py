"""What is of others in an Envoy's file is known again, whatever is renamed or beside it."""

import copy

import pytest

from rollout.decide.record.before import note_moved_by_others
from rollout.decide.record.split import Split
from rollout.route.content import note_routes
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.live import list_lacking, list_leading
from rollout.route.envoy.notes import read_marks
from rollout.route.envoy.routes import find_routes
from rollout.route.envoy.traffic import patch, split_of
from rollout.route.weighted_route import WeightedRoute

ARMS = Arms("s-v1", "s-v2", "s-v2-shadow", "s")
THEIRS = Arms("t-v1", "t-v2", "t-v2-shadow", "t")
TO_CANARY = [{"cluster": "s-v2"}]


def route(path, *clusters):
    weights = {"clusters": [{"name": name, "weight": weight} for name, weight in clusters]}
    return {"match": {"prefix": path}, "route": {"weighted_clusters": weights}}


def config(name, *routes, **more):
    host = {"name": "all", "domains": ["*"], "routes": [*routes]}
    return {"name": name, "virtual_hosts": [host], **more}


def file_of(*configs):
    return {"version_info": "7", "resources": copy.deepcopy([*configs])}


PIN, MAIN = route("/testers", ("s-v2", 1)), route("/", ("s-v1", 1))
FIELD = "request_mirror_policies"


def weights_of(document):
    """The weights of every route, by configuration."""
    return {
        config["name"]: [
            [entry["weight"] for entry in route["route"]["weighted_clusters"]["clusters"]]
            for host in config["virtual_hosts"]
            for route in host["routes"]
        ]
        for config in document["resources"]
    }


def test_a_pin_of_one_configuration_hides_no_stray_of_another_with_equal_virtual_hosts():
    first = file_of(config("a", PIN, MAIN), config("b", MAIN))
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    live["resources"][1]["virtual_hosts"][0]["routes"].insert(0, copy.deepcopy(PIN))
    leading = find_routes(live, ARMS, before)
    assert [pin.config for pin in leading.pinned] == ["a"]
    assert [stray.config for stray in leading.strays] == ["b"]
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert weights_of(back) == {"a": [[1], [1]], "b": [[100, 0], [1]]}


def test_an_entry_of_people_s_own_in_one_configuration_hides_none_of_ours_in_another():
    own = route("/", ("s-v1", 1), ("s-v2", 0))
    first = file_of(config("a", own), config("b", MAIN))
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert back["resources"] == first["resources"]


def change_all(host):
    """The host's name, and a route's match and where else it leads."""
    host["name"] = "other"
    host["routes"][0] |= {"match": {"prefix": "/moved"}}
    host["routes"][0]["route"]["weighted_clusters"]["clusters"].append({"name": "x", "weight": 5})


def split_in_two(host):
    first, *others = host["routes"]
    second = copy.deepcopy(first)
    first["match"], second["match"] = {"prefix": "/left"}, {"prefix": "/right"}
    host["routes"] = [first, second, *others]


@pytest.mark.parametrize("change", [change_all, split_in_two])
@pytest.mark.parametrize("is_noted", [True, False])
def test_a_route_that_is_changed_out_of_recognition_keeps_no_entry_of_ours(change, is_noted):
    own = route("/own", ("s-v1", 100), ("s-v2", 0))
    first = file_of(config("a", MAIN, own))
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(20), "r/1")
    (host,) = live["resources"][0]["virtual_hosts"]
    change(host)
    if not is_noted:
        live["resources"][0].pop("metadata")
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    (host,) = back["resources"][0]["virtual_hosts"]
    *changed, theirs = host["routes"]
    assert "s-v2" not in f"{changed}"
    assert theirs == own
    assert split_of(back, ARMS, 100, before=before) == Split(0)


@pytest.mark.parametrize("is_last", [True, False])
def test_what_is_of_others_in_a_renamed_configuration_stays(is_last):
    """A pin, a mirror of the whole configuration, and one of a virtual host."""
    first = file_of(config("a", PIN, MAIN, **{FIELD: TO_CANARY}))
    first["resources"][0]["virtual_hosts"][0][FIELD] = copy.deepcopy(TO_CANARY)
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    live["resources"][0]["name"] = "renamed"
    assert split_of(live, ARMS, 100, before=before) == Split(5)
    assert find_routes(live, ARMS, before).strays == ()
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=is_last)
    first["resources"][0]["name"] = "renamed"
    back["resources"][0].pop("metadata", None)
    assert back["resources"] == first["resources"]


@pytest.mark.parametrize("is_moved", [True, False], ids=["other domains", "same domains"])
@pytest.mark.parametrize("is_config_too", [True, False])
@pytest.mark.parametrize("is_last", [True, False])
def test_what_is_of_others_in_a_renamed_virtual_host_stays(is_moved, is_config_too, is_last):
    """A pin, a mirror of a virtual host and of its route, and the numbers of weights."""
    audited = route("/audit", ("s-v1", 7))
    audited["route"][FIELD] = copy.deepcopy(TO_CANARY)
    first = file_of(config("a", PIN, audited, MAIN))
    first["resources"][0]["virtual_hosts"][0][FIELD] = copy.deepcopy(TO_CANARY)
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    for document in (live, first):
        (host,) = document["resources"][0]["virtual_hosts"]
        host["name"] = "renamed"
        host["domains"] = ["other.example"] if is_moved else host["domains"]
        document["resources"][0]["name"] = "b" if is_config_too else "a"
    assert split_of(live, ARMS, 100, before=before) == Split(5)
    assert find_routes(live, ARMS, before).strays == ()
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=is_last)
    back["resources"][0].pop("metadata", None)
    assert back["resources"] == first["resources"]


def test_virtual_hosts_that_swapped_their_names_are_known_by_their_domains():
    first = file_of(config("a", PIN, MAIN))
    host = first["resources"][0]["virtual_hosts"][0]
    other = {"name": "other", "domains": ["other.example"], "routes": [copy.deepcopy(MAIN)]}
    host["domains"] = ["main.example"]
    first["resources"][0]["virtual_hosts"].append(other)
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    main, new = live["resources"][0]["virtual_hosts"]
    main["name"], new["name"] = new["name"], main["name"]
    new["routes"].insert(0, copy.deepcopy(PIN))
    leading = find_routes(live, ARMS, before)
    assert [pin.location for pin in leading.pinned] == ["route 1 of virtual host other"]
    assert [stray.location for stray in leading.strays] == ["route 1 of virtual host all"]


def test_a_route_like_a_pin_in_a_new_virtual_host_is_a_stray():
    first = file_of(config("a", PIN, MAIN))
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    new = {"name": "new", "domains": ["new.example"], "routes": [copy.deepcopy(PIN)]}
    live["resources"][0]["virtual_hosts"].insert(0, new)
    leading = find_routes(live, ARMS, before)
    assert [pin.location for pin in leading.pinned] == ["route 1 of virtual host all"]
    assert [stray.location for stray in leading.strays] == ["route 1 of virtual host new"]
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert split_of(back, ARMS, 100, before=before) == Split(0)


def test_a_configuration_that_people_add_is_not_taken_for_one_of_before():
    first = file_of(config("a", PIN, MAIN))
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    live["resources"].append(config("new", PIN, **{FIELD: TO_CANARY}))
    assert [stray.config for stray in find_routes(live, ARMS, before).strays] == ["new"]
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert FIELD not in back["resources"][1]
    assert split_of(back, ARMS, 100, before=before) == Split(0)


def test_a_record_of_an_older_version_still_knows_its_pins():
    """It has neither configurations nor their names."""
    first = file_of(config("a", PIN, MAIN))
    body = {"match": ["virtual host all", PIN["match"]]}
    clusters = PIN["route"]["weighted_clusters"]["clusters"]
    noted = WeightedRoute("route 1 of virtual host all", clusters, ARMS, body)
    before = note_routes([noted]).lines
    live = patch(first, ARMS, Split(5), "r/1")
    assert find_routes(live, ARMS, before).strays == ()
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert weights_of(back) == {"a": [[1], [100]]}


def test_a_route_that_people_add_is_recorded_under_its_configuration():
    first = file_of(config("a", MAIN), config("b", route("/other", ("x", 1))))
    before = list_leading(first, first, ARMS)
    live = patch(first, ARMS, Split(5), "r/1")
    live["resources"][1]["virtual_hosts"][0]["routes"].append(copy.deepcopy(MAIN))
    before = (*before, *list_lacking(live, ARMS, before))
    assert len([line for line in before if " no canary in " in line]) == 2
    back = patch(live, ARMS, Split(0), "r/2", before=before, is_last=True)
    assert weights_of(back) == {"a": [[1]], "b": [[1], [1]]}


def test_two_services_of_one_configuration_have_notes_of_their_own():
    both = file_of(config("a", MAIN, route("/t", ("t-v1", 1))))
    mine, theirs = list_leading(both, both, ARMS), list_leading(both, both, THEIRS)
    live = patch(both, ARMS, Split(5), "r/1")
    live = patch(live, THEIRS, Split(50), "q/1")
    assert read_marks(live, "s") == ("r/1", "q/1")
    assert read_marks(live, "t") == ("q/1", "r/1")
    live["resources"][0]["virtual_hosts"][0]["routes"].append(
        route("/new", ("s-v1", 90), ("s-v2", 10))
    )
    assert split_of(live, ARMS, 100, before=mine) == Split(10), "the share that is not ours"
    del live["resources"][0]["virtual_hosts"][0]["routes"][-1]
    live = patch(live, ARMS, Split(0), "r/2", before=mine, is_last=True)
    assert read_marks(live, "t") == ("q/1", "")
    back = patch(live, THEIRS, Split(0), "q/2", before=theirs, is_last=True)
    assert back["resources"] == both["resources"]


@pytest.mark.parametrize("is_tidied", [True, False])
def test_what_another_service_promoted_to_the_same_canary_is_no_stray(is_tidied):
    """An undo is record by the journal what others moved since; a route of ours stays ours."""
    others = Arms("t-v1", "s-v2", "s-v2-shadow", "t")
    both = file_of(config("a", MAIN, route("/t", ("t-v1", 1))))
    mine = list_leading(both, both, ARMS)
    live = patch(both, ARMS, Split(100), "r/1", is_last=True)
    theirs = list_leading(live, live, others)
    live = patch(live, others, Split(5), "q/1")
    live = patch(live, others, Split(100), "q/2", before=theirs, is_last=True)
    if is_tidied:
        (host,) = live["resources"][0]["virtual_hosts"]
        del host["routes"][1]["route"]["weighted_clusters"]["clusters"][0]
    assert len(find_routes(live, ARMS, mine).strays) == 1
    record = (*mine, *note_moved_by_others((*mine, *theirs)))
    assert find_routes(live, ARMS, record).strays == ()
    back = patch(live, ARMS, Split(0), "r/2", before=record, is_last=True)
    held = live["resources"][0]["virtual_hosts"][0]["routes"][1]
    assert back["resources"][0]["virtual_hosts"][0]["routes"] == [MAIN, held]
