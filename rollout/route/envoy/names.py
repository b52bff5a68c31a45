"""Under which names the configurations and virtual hosts of a route file are recorded.

What is of others is recorded with where it stands, and people rename that. Envoy asks for a
configuration by its name, so one that was renamed is the one that the file lacks. A virtual host is
known by its domains, which no other of its configuration may have, else by its name; and one that
has neither any more is the one that its configuration lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollout.route.before import Before
from rollout.route.content import Noted, NotedRoute, digest
from rollout.route.envoy.walk import list_configs
from rollout.route.manifest import Json, dicts, key

_Host = tuple[str, str]  # a configuration's name and a virtual host's


@dataclass(frozen=True)
class RecordedNames:
    """The recorded names, by those of now."""

    configs: Mapping[str, str]
    hosts: Mapping[_Host, str]

    def name_config(self, config: str) -> str:
        """Return a configuration's recorded name; empty in records of an older version."""
        return self.configs[config]

    def name_host(self, config: str, host: str) -> str:
        """Return a virtual host's recorded name."""
        return self.hosts.get((config, host), host)


def note_hosts(manifest: Json) -> Noted:
    """Return the notes of virtual hosts: their domains, configuration and name."""
    return Noted(
        tuple(
            NotedRoute(domains, digest(config), name)
            for config, name, domains in _list_hosts(manifest)
            if name
        )
    )


def find_names(manifest: Json, before: tuple[str, ...] | None) -> RecordedNames:
    """Return the recorded names; before our first write they are those of now."""
    record = Before.parse("\n".join(before or ()))
    configs = _find_configs(manifest, record, is_begun=before is not None)
    present: dict[str, list[tuple[str, str]]] = {}
    for config, name, domains in _list_hosts(manifest):
        present.setdefault(config, []).append((name, domains))
    hosts = {
        (config, name): recorded
        for config, named in present.items()
        for name, recorded in _find_hosts(named, record.hosts, configs[config]).items()
    }
    return RecordedNames(configs, hosts)


def _find_configs(manifest: Json, record: Before, *, is_begun: bool) -> Mapping[str, str]:
    present, recorded = list_configs(manifest), record.config_names
    if not is_begun:
        return {name: name for name in present}
    if not recorded:
        return dict.fromkeys(present, "")
    missing = [name for name in recorded if name not in present]
    return {
        name: missing[0] if missing and name not in recorded else name for name in sorted(present)
    }


def _find_hosts(
    present: Sequence[tuple[str, str]], recorded: Noted, config: str
) -> Mapping[str, str]:
    """Return the recorded names of one configuration's virtual hosts."""
    free = [note for note in recorded.routes if note.more == digest(config)]
    names = dict[str, str]()
    for is_domain, is_name in ((True, True), (True, False), (False, True), (False, False)):
        for name, domains in present:
            fitting = [
                note
                for note in free
                if (note.fingerprint == domains or not is_domain)
                and (note.location == name or not is_name)
            ]
            if fitting and name not in names:
                names[name] = fitting[0].location
                free.remove(fitting[0])
    return names


def _list_hosts(manifest: Json) -> Iterator[tuple[str, str, str]]:
    """Yield every virtual host: its configuration's name, its own, and a digest of its domains."""
    for config in dicts(manifest.get("resources")):
        for host in dicts(config.get(key(config, "virtual_hosts"))):
            domains = host.get("domains")
            texts = sorted(map(str, domains)) if isinstance(domains, list) else []
            yield str(config.get("name", "")), str(host.get("name") or ""), digest(texts)
