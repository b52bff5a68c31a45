"""What people and tools do to the routing object, in the middle of a rollout."""

from __future__ import annotations

from functools import partial

from rollout.answers.json_text import copy_json
from rollout.kube.kinds import Json
from rollout.stories.faults.registry import event
from rollout.stories.setting import SERVICE
from rollout.stories.world.routes import (
    RULES,
    build_objects,
    build_stray,
    has_both_arms,
    is_canary,
    is_third,
    list_configs,
    list_entries,
    list_routes,
    read_shares,
    set_canary,
)
from rollout.stories.world.world import StoryWorld


@event("hand-edit", "24 a person edits the weights", (0.0, 5.0, 30.0, 50.0, 100.0), weight=2)
def edit_weights(world: StoryWorld, value: float) -> None:
    """Somebody gives the canary this weight on every route of both arms."""

    def change(live: Json) -> None:
        for route in list_routes(live):
            entries = list_entries(route)
            if len([entry for entry in entries if not is_third(entry)]) == 2:
                set_canary(entries, value)

    world.touch("weights")
    world.api.edit(world.key, change)


_OTHERS_RAMP = ((12.0, 10.0), (35.0, 50.0))
"""When others give the canary which weight, where the controller only observes."""


def ramp_by_others(world: StoryWorld) -> None:
    """Let others move the weights up, as their own controller does."""
    for seconds, weight in _OTHERS_RAMP:
        world.later(seconds, partial(edit_weights, world, weight))


@event("edit-policy", "24 a person edits a policy's object", (0.0, 1.0))
def edit_policy(world: StoryWorld, value: float) -> None:
    """Somebody changes a field of a plan's policy (1), or one beside it (0)."""

    def change(live: Json) -> None:
        policy = live["spec"].setdefault("trafficPolicy", {})
        if value:
            policy.setdefault("outlierDetection", {})["consecutive5xxErrors"] = 9
        else:
            policy.setdefault("connectionPool", {})["tcp"] = {"connectTimeout": "3s"}

    world.touch("policy")
    world.api.edit((RULES, SERVICE), change)


@event("edit-one-route", "29 one of several routes is edited", (5.0, 50.0, 100.0))
def edit_one(world: StoryWorld, value: float) -> None:
    """Somebody gives the canary this weight on the first route of both arms, and on no other."""

    def change(live: Json) -> None:
        set_canary(list_entries(next(filter(has_both_arms, list_routes(live)), {})), value)

    world.touch("weights")
    world.api.edit(world.key, change)


@event("git-revert", "24 a tool puts the object back")
def put_back(world: StoryWorld, _value: float) -> None:
    """A tool applies the object as its repository has it; annotations stay."""
    spec = build_objects(world.setting, SERVICE)[0][1]["spec"]

    def change(live: Json) -> None:
        live["spec"] = copy_json(spec)

    world.touch("weights")
    world.api.edit(world.key, change)


@event("git-revert-often", "24 a tool puts the object back, again and again", (5.0, 20.0))
def put_back_often(world: StoryWorld, value: float) -> None:
    """A tool applies the object every second for a while."""
    for second in range(int(value)):
        world.later(float(second), lambda: put_back(world, 0))


@event("strip-notes", "24 a tool removes annotations")
def strip(world: StoryWorld, _value: float) -> None:
    """A tool removes every annotation of the object."""

    def change(live: Json) -> None:
        live["metadata"].pop("annotations", None)

    world.touch("notes")
    world.api.edit(world.key, change)


@event("recreate", "25 object deleted and recreated")
def recreate(world: StoryWorld, _value: float) -> None:
    """The object is made anew, as its repository has it, with another uid."""
    body = build_objects(world.setting, SERVICE)[0][1]
    world.touch("weights", "notes")
    world.api.give(world.key, None)
    world.api.give(world.key, body)


@event("delete-route", "25 object deleted", (5.0, 30.0))
def delete(world: StoryWorld, value: float) -> None:
    """The object is gone for a while, and comes back as its repository has it."""
    body = build_objects(world.setting, SERVICE)[0][1]
    world.touch("weights", "notes")
    world.api.give(world.key, None)

    def back() -> None:
        if world.key not in world.api.objects:
            world.api.give(world.key, body)

    world.later(value, back)


@event("rename-route", "29 the route is renamed")
def rename(world: StoryWorld, _value: float) -> None:
    """Somebody gives our route another name."""

    def change(live: Json) -> None:
        for route in list_routes(live):
            if route.get("name") == "main":
                route["name"] = "renamed"

    world.touch("names")
    world.api.edit(world.key, change)


@event("insert-route", "29 a route is put in front of ours")
def insert(world: StoryWorld, _value: float) -> None:
    """Somebody puts a route for probes in front of ours."""

    def change(live: Json) -> None:
        spec = live["spec"]
        if "file" in spec:
            route = {"match": {"path": "/health"}, "route": {"cluster": "health"}}
            list_configs(spec)[0]["virtual_hosts"][0]["routes"].insert(0, route)
        elif "http" in spec:
            match: Json = {"match": [{"uri": {"exact": "/health"}}]}
            spec["http"].insert(
                0, {"name": "health", **match, "route": [{"destination": {"host": "health"}}]}
            )
        else:
            match = {"matches": [{"path": {"type": "Exact", "value": "/health"}}]}
            spec["rules"].insert(
                0, {"name": "health", **match, "backendRefs": [{"name": "health", "port": 80}]}
            )

    world.touch("routes")
    world.api.edit(world.key, change)


@event("stray-route", "29 a route to the canary is made under way")
def make_stray(world: StoryWorld, _value: float) -> None:
    """Somebody sends some requests to the canary alone, while it has weight by us."""

    def change(live: Json) -> None:
        route = build_stray(world.setting, SERVICE)
        spec = live["spec"]
        routes = list_configs(spec)[0]["virtual_hosts"][0]["routes"] if "file" in spec else None
        routes = spec.get("http") or spec.get("rules") if routes is None else routes
        routes.insert(0, route)

    if read_shares(world.api.objects.get(world.key)).canary:
        world.touch("routes")
        world.api.edit(world.key, change)


@event("drop-arm", "29 the canary's destination is removed")
def drop(world: StoryWorld, _value: float) -> None:
    """Somebody removes the canary's entry from our route."""

    def change(live: Json) -> None:
        for route in list_routes(live):
            entries = list_entries(route)
            if len(entries) > 1:
                entries[:] = [entry for entry in entries if not is_canary(entry)]

    world.touch("weights", "routes")
    world.api.edit(world.key, change)


@event("not-accepted", "28 a gateway does not carry the route out", (5.0, 30.0))
def refuse(world: StoryWorld, value: float) -> None:
    """The gateway reports that it does not accept the object, for a while."""

    def report(status: str) -> None:
        def change(live: Json) -> None:
            condition = {"type": "Accepted", "status": status, "reason": "x", "message": "y"}
            live["status"] = {"parents": [{"controllerName": "gw", "conditions": [condition]}]}

        if world.setting.mesh == "gateway":
            world.api.edit(world.key, change)

    report("False")
    world.later(value, lambda: report("True"))


@event("add-owner", "24 another controller owns the object")
def own(world: StoryWorld, _value: float) -> None:
    """Another controller takes the object as its own."""

    def change(live: Json) -> None:
        owner = {"kind": "App", "name": "shop", "controller": True}
        live["metadata"]["ownerReferences"] = [owner]

    world.touch("owner")
    world.api.edit(world.key, change)


@event("odd-object", "2 an object of another shape", (1.0, 2.0, 3.0, 4.0))
def make_odd(world: StoryWorld, value: float) -> None:
    """Somebody writes what the API server takes and nobody expects; it is mended later."""
    before = copy_json(world.api.objects.get(world.key))

    def change(live: Json) -> None:
        if value == 1:
            live["metadata"]["annotations"] = None
        elif value == 2:
            live["status"] = None
        elif value == 3:
            live["spec"] = {}
        else:
            for route in list_routes(live):
                for entry in list_entries(route):
                    entry["weight"] = None

    world.touch("weights", "notes", "routes")
    world.api.edit(world.key, change)
    if before is not None and value >= 3:
        world.later(15.0, lambda: world.api.give(world.key, before))
