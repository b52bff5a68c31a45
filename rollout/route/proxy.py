"""The door to a local Envoy: weights through its watched file, receipts from its admin port."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import yaml

from rollout.decide.split import Split
from rollout.errors import RouteError
from rollout.plan.model import Plan
from rollout.plan.route import EnvoyRoute
from rollout.plan.traffic import Traffic
from rollout.ports import Seen
from rollout.route.envoy import Arms, clusters_of, names_of, shown, version_of
from rollout.route.envoy_traffic import patch, split_of
from rollout.route.walk import Json

_TIMEOUT = 2.0
_DUMP = "/config_dump?resource=dynamic_route_configs"


class EnvoyRouter:
    """The `Router` port for plans with `spec.route.envoy`."""

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """Replace the route file by one with this split and mark.

        Also when they are in the file already: Envoy may have missed that, and rereads only a file
        that was moved into place. A canary cluster that Envoy does not know is refused before it is
        written, because a file that Envoy refuses leaves it without routes at its next start; so is
        any weight for a canary while Envoy does not answer. Weight 0 is always written. Raises
        RouteError.
        """
        route, arms = _route(plan), arms_of(plan)
        file = Path(route.file)
        manifest = patch(_load(file), arms, split, mark, _traffic(plan))
        needed = {arms.shadow if split.way == "mirror" else arms.canary}
        if split.canary and (unknown := _unknown(route, needed)):
            raise RouteError(f"nothing was written: Envoy has no cluster {unknown}")
        _replace(file, manifest)

    def read(self, plan: Plan, total: int) -> Seen:
        """What Envoy itself says that it does, from its config dump. Raises RouteError."""
        route, arms = _route(plan), arms_of(plan)
        live = _live(route, names_of(_load(Path(route.file)), arms))
        return Seen(split_of(live, arms, total, _traffic(plan)), version_of(live))

    def diagnose(self, plan: Plan) -> str:
        """Why Envoy does not show the file's version; empty when it does, or does not say why."""
        route = _route(plan)
        try:
            wanted = _load(Path(route.file))
            names = names_of(wanted, arms_of(plan))
            if version_of(_live(route, names)) == version_of(wanted):
                return ""
            return _refusal(route, names, clusters_of(wanted))
        except RouteError as error:
            return str(error)


def unknown(plan: Plan) -> str:
    """Clusters of a plan that its Envoy does not have, in words. Raises RouteError."""
    arms, shadow = arms_of(plan), set()
    if _traffic(plan).mirror is not None:
        shadow = {arms.shadow}
    return _unknown(_route(plan), {arms.stable, arms.canary} | shadow)


def arms_of(plan: Plan) -> Arms:
    """The clusters that a plan names, or `<service>-<version>`."""
    spec, clusters = plan.spec, _route(plan).clusters
    if clusters is not None:
        stable, canary, shadow = clusters.stable, clusters.canary, clusters.shadow
    else:
        stable, canary = (f"{spec.service}-{arm.version}" for arm in (spec.stable, spec.canary))
        shadow = None
    return Arms(stable, canary, shadow or f"{canary}-shadow")


def _traffic(plan: Plan) -> Traffic:
    return plan.spec.traffic or Traffic()


def _route(plan: Plan) -> EnvoyRoute:
    if plan.spec.route.envoy is None:
        raise RouteError(f"{plan.name} moves weights in {plan.spec.route.mesh}, not in an Envoy")
    return plan.spec.route.envoy


def _refusal(route: EnvoyRoute, names: set[str], clusters: set[str]) -> str:
    """Envoy logs its reason but does not tell it; its counters and its clusters do."""
    if unknown := _unknown(route, clusters):
        return f"Envoy refused the update: unknown cluster {unknown}"
    counts = _counts(route, names)
    if counts:
        return f"Envoy refused the update ({counts}): its log says why"
    return ""


def _unknown(route: EnvoyRoute, clusters: set[str]) -> str:
    """Those clusters that Envoy does not know, in words. Raises RouteError."""
    known = set(re.findall(r"^(.+?)::", _get(route, "/clusters"), re.MULTILINE))
    return ", ".join(sorted(clusters - known))


def _counts(route: EnvoyRoute, names: set[str]) -> str:
    """Refused updates since Envoy started, in words; empty when there were none."""
    stats = _get(route, "/stats?filter=rds.*update_(rejected|failure)$")
    found = re.findall(r"\.rds\.(.+)\.(update_\w+): (\d+)", stats)
    return ", ".join(f"{what} {n}" for name, what, n in found if name in names and int(n))


def _live(route: EnvoyRoute, names: set[str]) -> Json:
    try:
        dump = json.loads(_get(route, _DUMP))
    except ValueError as error:
        raise RouteError(f"Envoy at {route.admin} gave no JSON: {error}") from None
    if not isinstance(dump, dict):
        raise RouteError(f"Envoy at {route.admin} gave no JSON object")
    return shown(dump, names)


def _get(route: EnvoyRoute, path: str) -> str:
    import requests  # 0.1 s, only where it is used

    with requests.Session() as session:
        session.trust_env = False  # the environment's proxies and certificates are not for Envoy
        try:
            answer = session.get(route.admin.rstrip("/") + path, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise RouteError(f"Envoy at {route.admin} does not answer: {_why(error)}") from None
    if not answer.ok:
        raise RouteError(f"Envoy at {route.admin} said {answer.status_code}: {answer.text[:200]}")
    return answer.text


def _why(error: Exception) -> str:
    """The system's own words within the many that requests wraps around them."""
    found = re.search(r"\[Errno \d+\] ([\w ]+)", str(error))
    return found[1].lower() if found else type(error).__name__


def _load(file: Path) -> Json:
    try:
        text = file.read_text()
        # Through JSON, because what YAML aliases share would change in two places at once.
        manifest = json.loads(json.dumps(yaml.safe_load(text)) if _is_yaml(file) else text)
    except OSError as error:
        raise RouteError(f"cannot read route file {file}: {error.strerror}") from None
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise RouteError(f"cannot parse route file {file}: {error}") from None
    if not isinstance(manifest, dict):
        raise RouteError(f"route file {file} holds no object")
    return manifest


def _dumped(file: Path, manifest: Json) -> str:
    if _is_yaml(file):
        return yaml.safe_dump(manifest, sort_keys=False)
    return json.dumps(manifest, indent=1)


def _is_yaml(file: Path) -> bool:
    return file.suffix in (".yaml", ".yml")  # Envoy, too, goes by the name


def _replace(file: Path, manifest: Json) -> None:
    """Move a complete, flushed file with the same rights into place, so nobody sees half of it."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "w") as out:
                out.write(_dumped(file, manifest))
                out.flush()
                os.fsync(out.fileno())
            shutil.copymode(file, name)
            with contextlib.suppress(PermissionError):
                os.chown(name, file.stat().st_uid, file.stat().st_gid)
            Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise RouteError(f"cannot write route file {file}: {error.strerror}") from None
