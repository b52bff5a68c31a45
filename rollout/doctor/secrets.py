"""Warn of passwords in the URLs of a plan: the journal and the resource keep the whole plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rollout.doctor.finding import Finding
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.redact import has_secret

_CURE = (
    "name an address without one (of Prometheus with an access, docs/prometheus.md; else of a "
    "proxy beside the controller which adds it), and change the password"
)


def of_plan(plan: Plan) -> Iterator[Finding]:
    """Yield a warning for each field with a URL that holds a password."""
    for path in _list_paths(plan.document(), ""):
        message = (
            f"{path} holds a password: views hide it, but the journal, its backups and the "
            "resource keep the whole plan, and a recording needs `log --export --with-secrets`"
        )
        yield Finding("plan", plan.name, "warn", message, _CURE)


def of_server(server: PrometheusServer, exposed: Iterable[str]) -> Iterator[Finding]:
    """Yield a warning for each file with a secret of a server's access that others may read."""
    for path in exposed:
        message = f"{path} holds a secret of this access, and others may read it"
        yield Finding("prometheus", server.access or "", "warn", message, f"chmod 600 {path}")


def _list_paths(value: Any, path: str) -> Iterator[str]:
    """Yield the path of every text that holds a password, as `spec.hooks[0].url`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _list_paths(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _list_paths(item, f"{path}[{index}]")
    elif has_secret(value):
        yield path
