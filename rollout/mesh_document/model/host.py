"""Names that answer requests: Services of the cluster, by a short or a whole name, and hosts."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from rollout.plan.fields.base import spelled
from rollout.plan.fields.codes import fault

HOME = "default"
"""The namespace of a mesh that names none."""

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST = spelled(
    rf"^{_LABEL}(\.{_LABEL})*$",
    "a Service's name (lower-case letters, digits and `-`, at most 63), or a host outside of the "
    "mesh, which has dots",
)
_DOMAIN = "svc.cluster.local"
_ENDS = (".svc", ".cluster.local")  # no host outside of a cluster ends so
_WHOLE = re.compile(r"(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc(?:\.cluster\.local)?")


def is_outside(host: str) -> bool:
    """Return whether a name is a host outside of the mesh: it has dots, and is no Service's."""
    return "." in host and not host.endswith(_ENDS)


def split_whole(host: str) -> tuple[str, str] | None:
    """Split a Service's whole name into its short name and its namespace; None for any other."""
    match = _WHOLE.fullmatch(host)
    return (match["service"], match["namespace"]) if match else None


def may_be_service(host: str) -> bool:
    """Return whether a name can be a Service's, short or whole."""
    return "." not in host or split_whole(host) is not None


def spell(host: str, home: str) -> str:
    """Spell a Service in one way: by its short name in the mesh's own namespace, else whole."""
    match split_whole(host):
        case [service, namespace]:
            return service if namespace == home else f"{service}.{namespace}.{_DOMAIN}"
    return host


def _check_names_service(host: str) -> str:
    if not (is_outside(host) or may_be_service(host)):
        message = f"`{host}` is inside of a cluster, but names no Service"
        raise fault("P006", message, hint=f"write NAME.NAMESPACE.{_DOMAIN}")
    return host


Host = Annotated[str, Field(pattern=_HOST, max_length=253), AfterValidator(_check_names_service)]


def _check_is_own(host: str) -> str:
    if is_outside(host):
        raise fault("P033", f"`{host}` is outside of the mesh: a plan moves between its Services")
    if "." in host:
        message = f"`{host}` is in another namespace than the mesh, and so than the plan"
        raise fault("P033", message, hint="name it in `metadata.namespace`, or by --namespace")
    return host


OwnHost = Annotated[Host, AfterValidator(_check_is_own)]
