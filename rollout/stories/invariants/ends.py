"""I12 and I13: every rollout ends, with what it decided in force, whatever happened on the way."""

from __future__ import annotations

from rollout.answers.json_text import copy_json
from rollout.decide.state.rollout import RolloutState
from rollout.kube.kinds import Json
from rollout.stories.invariants.base import Invariant
from rollout.stories.setting import SERVICE
from rollout.stories.world.apiserver import AcceptedWrite, dump
from rollout.stories.world.routes import (
    has_both_arms,
    is_canary,
    is_stray,
    list_configs,
    list_entries,
    list_routes,
    read_shares,
    read_third,
    takes_users,
)


class EndsAreReached(Invariant):
    """After the last fault every rollout ends, and the routes show its end."""

    code = "I12"
    text = "from any state every rollout ends, and the routes show its last decision"

    def at_end(self) -> None:
        newest: dict[str, RolloutState] = {}
        for rollout, state in self.chronicle.fold(self.world.disks[0]).states.items():
            # An older version waits by the wall clock, for as long as that was set back.
            is_late = len(self.world.disks) == 1 and not self.chronicle.trusts_wall_clock
            if not state.is_terminal and is_late:
                self.break_(f"{rollout} does not end: {state.phase}, {_explain(state)}")
            newest[state.plan.spec.service] = state
        for service, state in newest.items():
            self._check_route(service, state)

    def _check_route(self, service: str, state: RolloutState) -> None:
        live = self.world.api.objects.get(self.world.find_key(service))
        is_edited = service == SERVICE and self.world.touched_at > self.world.settled_at - 90
        is_edited = is_edited or (service == SERVICE and "weights" in self.world.touched)
        if live is None or is_edited or state.is_unreached or not state.first_write:
            return
        shares = read_shares(live)
        wanted = 1.0 if state.phase == "promoted" else 0.0
        if state.is_terminal and len(self.world.disks) == 1 and abs(shares.canary - wanted) > 1e-3:
            self.break_(f"{service} {state.phase}, and the route gives {shares.canary:.0%}")
        is_back = state.phase == "rolled back" and self.world.setting.authority == "full"
        if is_back and len(self.world.disks) == 1 and any(map(_leads_astray, list_routes(live))):
            self.break_(f"{service} {state.phase}, and a route of under way leads to the canary")
        if state.is_terminal and shares.copied:
            self.break_(f"{service} {state.phase}, and {shares.copied:.0%} is still copied")


def _leads_astray(route: Json) -> bool:
    """Return whether a route that was made under way still gives the canary requests."""
    entries = list_entries(route)
    default = 1 if len(entries) == 1 else 0
    weights = [entry.get("weight", default) for entry in entries if is_canary(entry)]
    return is_stray(route) and any(weights)


def _explain(state: RolloutState) -> str:
    reasons = state.last.reasons if state.last else ()
    return f"{', '.join(reasons)} {state.route_problem}".strip()


class FieldsAreOurs(Invariant):
    """Nothing of the objects is changed but weights, the canary's entry and our annotations."""

    code = "I12"
    text = "nothing outside our own fields is touched"

    def on_write(self, write: AcceptedWrite) -> None:
        before, after = (
            {
                round(read_third(route), 3)
                for route in list_routes(live)
                if has_both_arms(route) and not is_stray(route)
            }
            for live in (write.before, write.after)
        )
        if before and after and before != after:
            self.break_(f"of people's own destination {before} became {after}")

    def at_end(self) -> None:
        for key, plain in self.world.api.plain.items():
            live = self.world.api.objects.get(key)
            if live is None or plain is None:
                continue
            if dump(_strip(live)) != dump(_strip(plain)):
                self.break_(f"{key[0]} {key[1]} is not what people made of it")


def _strip(live: Json) -> Json:
    """Return what is people's own in an object: without our fields, in the order it has."""
    plain = copy_json({"spec": live.get("spec")})
    spec: Json = plain["spec"] or {}
    if "subsets" in spec:
        spec.pop("trafficPolicy", None)  # see `policies`
    _strip_file(spec)
    _drop_strays(spec)
    for route in list_routes(plain):
        entries = list_entries(route)
        if entries and (takes_users(route) or not all(map(is_canary, entries))):
            entries[:] = [entry for entry in entries if not is_canary(entry)]
            for entry in entries:
                entry.pop("weight", None)
            for field in ("mirrors", "filters"):
                route.pop(field, None)
    return plain


def _drop_strays(spec: Json) -> None:
    """Remove the routes that somebody made under way: a rollback moves them."""
    hosts = [host for config in list_configs(spec) for host in config["virtual_hosts"]]
    for owner, key in [*((host, "routes") for host in hosts), (spec, "http"), (spec, "rules")]:
        if owner.get(key):
            owner[key] = [route for route in owner[key] if not is_stray(route)]


def _strip_file(spec: Json) -> None:
    """Remove our notes from an Envoy's file, and what a mirror puts there."""
    for config in list_configs(spec):
        spec["file"].pop("version_info", None)
        config.pop("metadata", None)
        for route in list_routes({"spec": spec}):
            route.pop("metadata", None)
            route["route"].pop("request_mirror_policies", None)


class SurvivesDeath(Invariant):
    """No decision is made twice, however often a controller dies."""

    code = "I13"
    text = "no decision is lost or made twice by a death"

    def at_end(self) -> None:
        for (_, rollout), trace in self.chronicle.traces.items():
            acts = [
                (fact.action, fact.split, fact.reasons)
                for _, _, fact in trace.decisions
                if fact.action in {"promote", "roll back", "undo"}
            ]
            is_disturbed = (
                self.world.was_restored
                or self.chronicle.has_any("undo", "promote", "hand", "git", "recreate", "delete")
                or self.world.touched
            )
            ends = [action for action, *_ in acts if action == "roll back"]
            if len(ends) > 1 and not is_disturbed:
                self.break_(f"{rollout} was rolled back {len(ends)} times")


class NoTraceback(Invariant):
    """No process ends with anything but a refusal in words."""

    code = "words"
    text = "never anything but a refusal in words"

    def after_step(self) -> None:
        for text in self.world.tracebacks[self.world.tracebacks_told :]:
            self.break_(text)
        self.world.tracebacks_told = len(self.world.tracebacks)
