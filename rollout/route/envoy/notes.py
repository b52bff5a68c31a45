"""What we write down in a route configuration: the last write, its split, and where we added.

Each service has notes of its own, since rollouts of several may move routes of one configuration.
"""

from __future__ import annotations

from rollout.route.content import Noted, parse_noted
from rollout.route.envoy.walk import forget, note, noted
from rollout.route.manifest import Json, dicts

MARK, SPLIT, ADDED = "mark", "split", "added"
_ALL = MARK, SPLIT, ADDED
_SERVICES = "services"


def read_notes(config: Json, service: str) -> Json:
    """Return a service's notes in a configuration; empty without any."""
    own = noted(config)
    if service:
        own = _read_services(config).get(service, {})
    return own if isinstance(own, dict) else {}


def write_notes(config: Json, service: str, notes: Json) -> None:
    """Replace a service's notes in a configuration; empty ones leave nothing of ours.

    Notes for no service are of an older version of ours, and go.
    """
    others = {name: own for name, own in _read_services(config).items() if name != service}
    forget(config, *_ALL, _SERVICES)
    if not service:
        for name, value in notes.items():
            note(config, name, value=value)
    elif notes:
        others[service] = notes
    if others:
        note(config, _SERVICES, value=others)


def read_marks(manifest: Json, service: str) -> tuple[str, str]:
    """Return the last write of a service by its notes, and whichever of others stand beside it."""
    own, others = set[str](), set[str]()
    for config in dicts(manifest.get("resources")):
        own.add(str(read_notes(config, service).get(MARK, "")))
        for name, notes in _read_services(config).items():
            if name != service and isinstance(notes, dict):
                others.add(str(notes.get(MARK, "")))
    return ", ".join(sorted(own - {""})), ", ".join(sorted(others - {""}))


def read_added(config: Json, service: str) -> Noted:
    """Return the routes of a configuration to which writes of ours added the canary."""
    lines = read_notes(config, service).get(ADDED)
    return parse_noted("\n".join(map(str, lines)) if isinstance(lines, list) else "")


def _read_services(config: Json) -> Json:
    services = noted(config).get(_SERVICES)
    return services if isinstance(services, dict) else {}
