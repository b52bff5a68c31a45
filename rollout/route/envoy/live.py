"""What an Envoy runs: the route configurations in its config dump."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rollout.decide.record.write_id import WriteId
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.route.before import Before as Recorded
from rollout.route.before import list_unrecorded
from rollout.route.envoy.admin import EnvoyAccess
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.modes import copies
from rollout.route.envoy.notes import read_marks
from rollout.route.envoy.routes import find_before, find_routes, gives_canary
from rollout.route.envoy.safety_net import past_net
from rollout.route.envoy.walk import list_configs
from rollout.route.envoy.watched import UnusableFileError
from rollout.route.envoy.weights import names_of, version_of
from rollout.route.manifest import Json, dicts

Before = tuple[str, ...] | None  # what led to the canary before our first write; None before it


@dataclass(frozen=True)
class LiveRoutes:
    """What an Envoy runs of a route file, the version that it shows, and the file itself.

    `is_noted` says that what it runs has notes of the plan's service.
    """

    routes: Json
    version: str
    file: Json
    is_noted: bool = False


def read_live(envoy: EnvoyAccess, plan: Plan, arms: Arms, before: Before) -> LiveRoutes:
    """Return the route configurations of the plan's file that Envoy runs.

    Its other configurations are read too, as far as Envoy runs them: they may have pins and strays.
    So are those that an earlier write of ours put there and that the file has no more. Without a
    usable file, and where Envoy runs none of it, all of Envoy's are. Raises RouteError.
    """
    try:
        manifest = past_net(envoy.load(), arms)
    except UnusableFileError as error:
        if before is None:
            raise
        lost = find_lost(envoy, plan, arms, before)
        raise RouteError(str(error), unread=True, gives_nothing=not lost) from None
    dump = dump_routes(envoy)
    running, lost = {*list_shown(dump)}, _select_lost(dump, plan, arms, before, manifest)
    ours = list_configs(manifest) & running | {str(config["name"]) for config in lost}
    named = names_of(manifest, arms, before)
    if before is not None:  # somebody may have renamed one: Envoy keeps what it has by then
        named &= running
    own = shown(dump, named or ours)
    is_noted = bool(read_marks(own, arms.service)[0])
    routes = past_net(shown(dump, ours or running), arms)
    return LiveRoutes(routes, _read_version(own, arms), manifest, is_noted)


def _read_version(routes: Json, arms: Arms) -> str:
    """Return the last write of the plan's service that Envoy shows, else the file's version.

    A version of another service that moves routes of the same file says nothing of ours.
    """
    own, others = read_marks(routes, arms.service)
    version = version_of(routes)
    return own or ("" if others and version in others.split(", ") else version)


def list_leading(manifest: Json, running: Json, arms: Arms) -> tuple[str, ...]:
    """Return what is not ours in a file and in what Envoy runs, by content, as a journal has it.

    Raises RouteError.
    """
    record = find_before(manifest, running, arms)
    return replace(record, copying=copies.find_copying((manifest, running), arms)).lines


def list_lacking(manifest: Json, arms: Arms, before: Before) -> tuple[str, ...]:
    """Return the plan's routes without the canary that a record of before does not have."""
    return list_unrecorded(find_before(manifest, {}, arms, before), before)


def find_lost(
    envoy: EnvoyAccess, plan: Plan, arms: Arms, before: Before, manifest: Json | None = None
) -> list[Json]:
    """Return the configurations of ours by which Envoy gives the canary traffic without a file.

    Envoy keeps the routes of a file that is gone, and of a configuration that was renamed in it or
    taken out. Ours are those that the file had before our first write, whoever gave Envoy what it
    runs since, and those with a version of this plan. A record of an older version does not say
    which they were: then every one is that no other rollout wrote. Raises RouteError.
    """
    return _select_lost(dump_routes(envoy), plan, arms, before, manifest or {})


def put_back(manifest: Json, lost: Sequence[Json], arms: Arms, before: Before) -> Json:
    """Return the file with the configuration that Envoy asks for: it takes one, by its name.

    A configuration in the file with the plan's routes was renamed, and gets its name back.
    """
    configs = dicts(manifest.get("resources"))
    if len(configs) == 1 and find_routes(manifest, arms, before).planned:
        return {**manifest, "resources": [{**configs[0], "name": lost[0]["name"]}]}
    return {**manifest, "resources": [*lost]}


def find_own(envoy: EnvoyAccess, plan: Plan, arms: Arms, before: Before) -> list[Json]:
    """Return all configurations that Envoy runs and that the plan's file had. Raises RouteError."""
    return _select_own(dump_routes(envoy), plan, arms, before, {})


def _select_lost(dump: Json, plan: Plan, arms: Arms, before: Before, manifest: Json) -> list[Json]:
    return [
        config
        for config in _select_own(dump, plan, arms, before, manifest)
        if gives_canary({"resources": [config]}, arms, before)
        or copies.has_strays({"resources": [config]}, arms, before)
    ]


def _select_own(dump: Json, plan: Plan, arms: Arms, before: Before, manifest: Json) -> list[Json]:
    """Return the configurations of ours that Envoy runs, and that a file lacks."""
    if before is None:
        return []
    recorded = Recorded.parse("\n".join(before)).config_names
    missing = set[str]()
    for name, version in list_shown(dump).items():
        write_id = WriteId.parse(version)
        is_written = write_id.is_of(plan) if write_id else not recorded
        if name not in list_configs(manifest) and (is_written or name in recorded):
            missing.add(name)
    return dicts(past_net(shown(dump, missing), arms)["resources"])


def dump_routes(envoy: EnvoyAccess) -> Json:
    """Return Envoy's dump of its route configurations. Raises RouteError."""
    return envoy.dump("dynamic_route_configs")


def shown(dump: Json, names: set[str]) -> Json:
    """Return the named route configurations of Envoy's `/config_dump`, as one manifest.

    Its version is the one that all of them show, or a list of theirs. Raises RouteError if Envoy
    lacks one of them.
    """
    dumped = {name: entry for name, entry in _list_dumped(dump) if name in names}
    if missing := names - dumped.keys():
        message = f"Envoy has no route configuration named {', '.join(sorted(missing))}"
        raise RouteError(message, unread=True)
    versions = {str(entry.get("version_info", "")) for entry in dumped.values()}
    resources = [dumped[name]["route_config"] for name in sorted(dumped)]
    return {"version_info": ", ".join(sorted(versions)), "resources": resources}


def list_shown(dump: Json) -> dict[str, str]:
    """Return the route configurations in Envoy's `/config_dump`, and the version of each.

    Raises RouteError.
    """
    return {name: str(entry.get("version_info", "")) for name, entry in _list_dumped(dump)}


def _list_dumped(dump: Json) -> Iterator[tuple[str, Json]]:
    for item in dicts(dump.get("configs")):
        for entry in (item, *dicts(item.get("dynamic_route_configs"))):
            config = entry.get("route_config")
            if isinstance(config, dict) and config.get("name"):
                yield str(config["name"]), entry
