"""Reach an Envoy: its route file, and its admin port, bounded in time, bytes and shape."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rollout.answers.json_text import parse_json
from rollout.errors import AddressError, RouteError
from rollout.plan.model.mesh.route import EnvoyRoute
from rollout.route.envoy.walk import DUMP
from rollout.route.envoy.watched import load, set_aside
from rollout.route.manifest import Json, dicts
from rollout.route.shape import settle

_TIMEOUT = 2.0  # seconds of one read, and
_PATIENCES = 2.0  # so many of it in all
_EXCERPT = 200  # characters of an answer that an error quotes


class SilentEnvoyError(RouteError):
    """Envoy's admin port does not answer at all: who asks it again waits again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, unread=True)


@dataclass(frozen=True)
class EnvoyAccess:
    """The Envoy of a plan's route, as this process reaches it; a simulation has its own."""

    route: EnvoyRoute

    @property
    def file(self) -> Path:
        return Path(self.route.file)

    def ask(self, path: str) -> str:
        """Return what the admin port answers. Raises RouteError."""
        return ask(self.route, path)

    def dump(self, resource: str) -> Json:
        """Return one resource of the config dump. Raises RouteError."""
        return parse_dump(self.route, self.ask(f"/config_dump?resource={resource}"))

    def set_aside(self) -> str:
        """Keep what the route file holds beside it; see `watched.set_aside`."""
        return set_aside(self.file)

    def load(self) -> Json:
        """Return the route file's document. Raises RouteError."""
        return load(self.file)

    def list_unknown(self, clusters: set[str]) -> str:
        """List those clusters that Envoy does not know. Raises RouteError."""
        cluster_names = set(re.findall(r"^(.+?)::", self.ask("/clusters"), re.MULTILINE))
        return ", ".join(sorted(clusters - cluster_names))

    def checks_health(self, cluster: str) -> bool:
        """Return whether Envoy checks a cluster's endpoints itself. Raises RouteError.

        Without these checks it calls every endpoint healthy, also one that does not answer.
        """
        configs = [*self._dump_clusters("static_clusters")]
        configs += self._dump_clusters("dynamic_active_clusters")
        clusters = (item.get("cluster", {}) for item in configs)
        return any(c.get("name") == cluster and bool(c.get("health_checks")) for c in clusters)

    def _dump_clusters(self, resource: str) -> list[Json]:
        """Return Envoy's clusters of one origin; none where it has none of it.

        Raises RouteError for one that does not answer.
        """
        try:
            return dicts(self.dump(resource).get("configs"))
        except SilentEnvoyError:
            raise
        except RouteError:
            return []

    def explain_refusal(self, names: set[str], clusters: set[str]) -> str:
        """Explain a refused update from Envoy's clusters and counters.

        Envoy logs its reason but exposes it nowhere. Raises RouteError.
        """
        if unknown := self.list_unknown(clusters):
            return f"Envoy refused the update: unknown cluster {unknown}"
        counts = self._describe_refused_updates(names)
        return f"Envoy refused the update ({counts}): its log says why" if counts else ""

    def _describe_refused_updates(self, names: set[str]) -> str:
        """Describe the updates refused since Envoy started; empty if there were none."""
        stats = self.ask("/stats?filter=rds.*update_(rejected|failure)$")
        counters = re.findall(r"\.rds\.(.+)\.(update_\w+): (\d+)", stats)
        return ", ".join(
            f"{what} {n}" for name, what, n in counters if name in names and n.strip("0")
        )


def ask(route: EnvoyRoute, path: str) -> str:
    """Return what Envoy's admin port answers. Raises RouteError."""
    import requests  # its import takes 0.1 s
    import urllib3

    from rollout.answers.guarded import guard
    from rollout.answers.http import Limits, UnledSession, read_body

    with UnledSession() as session:
        session.trust_env = False  # the environment's proxies and certificates are not for Envoy
        guard(session, Limits(times=_PATIENCES))
        url = route.admin.rstrip("/") + path
        try:
            answer = session.get(url, timeout=_TIMEOUT, stream=True)
            text = read_body(answer).decode(errors="replace")
        except AddressError as error:
            raise RouteError(f"Envoy is not asked: {error}", unread=True) from None
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            message = f"Envoy at {route.admin} does not answer: {_extract_reason(error)}"
            raise SilentEnvoyError(message) from None
    if answer.status_code != requests.codes.ok:
        excerpt = " ".join(text[:_EXCERPT].split())
        message = f"Envoy at {route.admin} said {answer.status_code}: {excerpt}"
        raise RouteError(message, unread=True)
    return text


def read_dump(route: EnvoyRoute, resource: str) -> Json:
    """Return one resource of Envoy's config dump. Raises RouteError."""
    return parse_dump(route, ask(route, f"/config_dump?resource={resource}"))


def parse_dump(route: EnvoyRoute, text: str) -> Json:
    """Return the config dump in a text. Raises RouteError."""
    try:
        dump = parse_json(text)
    except ValueError as error:
        raise RouteError(f"Envoy at {route.admin} gave no JSON: {error}", unread=True) from None
    if not isinstance(dump, dict):
        raise RouteError(f"Envoy at {route.admin} gave no JSON object", unread=True)
    return settle(dump, DUMP, f"what Envoy at {route.admin} dumps")


def _extract_reason(error: Exception) -> str:
    """Return the operating system's reason from an error that requests has wrapped."""
    text = str(error)
    reason = re.search(r"\[Errno \d+\] ([\w ]+)", text)
    if reason:
        return reason[1].lower()
    if "timed out" in text:
        return f"nothing within {_TIMEOUT:g} s"
    large = re.search(r"an answer of more than [\w ,]+", text)
    return large[0] if large else type(error).__name__
