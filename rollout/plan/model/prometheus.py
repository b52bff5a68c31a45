"""Where evidence is read: an address, and the name of the access that it is read with.

A plan holds no credential. Accesses are declared by the installation, each for the servers that it
may be sent to, and a plan names one of them.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo

from rollout.plan.fields.base import Model, Name, Span, Url, is_recorded, written
from rollout.plan.fields.codes import fault
from rollout.redact import has_secret

_ACCESS = "Name of the access to read it with, as the installation declares it."


def _check_no_credentials(url: str, info: ValidationInfo) -> str:
    has_user = re.match(r"https?://[^/?#]*@", url, re.IGNORECASE)
    if (has_user or has_secret(url)) and not is_recorded(info):
        raise fault(
            "P006",
            "remove the password from the address: the journal keeps the whole plan",
            hint="declare an access (docs/prometheus.md) and name it with `access: NAME`",
        )
    return url


ServerUrl = Annotated[Url, AfterValidator(_check_no_credentials)]


class PrometheusServer(Model):
    """A server that answers Prometheus' API."""

    url: ServerUrl = Field(description="Where it answers.")
    access: Name | None = Field(None, description=_ACCESS)


class Prometheus(Model):
    """Where the evidence is read."""

    url: ServerUrl = Field(
        "http://127.0.0.1:9090",
        description="Where Prometheus answers; when left out, the controller's own default.",
    )
    access: Name | None = Field(None, description=_ACCESS)
    scrape: Span = written("15s", "The scrape interval of the series used.")
    # No part of the plan: its digest is the same, whichever controller it was given to.
    _default: PrometheusServer | None = PrivateAttr(None)

    @property
    def default(self) -> PrometheusServer | None:
        """The controller's server, of a plan that names none."""
        return self._default

    @property
    def server(self) -> PrometheusServer:
        """The server that is asked."""
        default = self._default or PrometheusServer.model_construct(url=self.url, access=None)
        access = self.access or default.access
        return PrometheusServer.model_construct(url=default.url, access=access)

    def reading_at(self, default: PrometheusServer | None) -> Prometheus:
        """Return this block with the controller's default in place of its own address."""
        copy = self.model_copy()
        copy._default = default  # noqa: SLF001 - ours, of a copy
        return copy
