"""The whole document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rollout.mesh_document.model.service import MeshService, ObjectName
from rollout.mesh_document.model.traffic import TrafficPolicy
from rollout.plan.fields.base import Model, Namespace


class MeshMetadata(Model):
    """How the mesh is named."""

    name: ObjectName = Field(description="Name of the mesh.")
    namespace: Namespace | None = Field(
        None, description="Namespace of its services; `--namespace` goes before it."
    )


class PeerTls(Model):
    """Whether services speak mTLS to each other."""

    mode: Literal["STRICT", "PERMISSIVE", "DISABLE"] = Field(
        description="Only mTLS, both, or only plain text."
    )


class Authorization(Model):
    """Whether a service answers only those that may ask it."""

    enabled: bool = Field(
        strict=True, description="Whether it is on; `--allow` says who may ask then."
    )


class Security(Model):
    """How the services of the mesh are secured."""

    mtls: PeerTls | None = Field(None, description="Whether services speak mTLS to each other.")
    authorization: Authorization | None = Field(
        None, description="Whether a service answers only those that may ask it."
    )


class MeshSpec(Model):
    """What the mesh does."""

    services: list[MeshService] = Field(min_length=1, description="The services of the mesh.")
    traffic_policies: list[TrafficPolicy] = Field(
        [], description="How requests are split between two versions; each becomes a plan."
    )
    security: Security = Field(Security(), description="How the services are secured.")


class ServiceMesh(Model):
    """A mesh document: how services are balanced, split and secured."""

    api_version: Literal["mesh.ai/v1"] = Field(description="Version of this format.")
    kind: Literal["ServiceMesh"] = Field(description="What this document is.")
    metadata: MeshMetadata = Field(description="How the mesh is named.")
    spec: MeshSpec = Field(description="What the mesh does.")

    def names(self) -> set[str]:
        """Every name that answers requests: services, fallbacks and destinations."""
        services, policies = self.spec.services, self.spec.traffic_policies
        names = {service.name for service in services}
        names |= {service.fallback.service for service in services if service.fallback}
        return names | {route.destination for policy in policies for route in policy.routes}

    @property
    def mtls(self) -> str | None:
        """The mode of mTLS, as the document spells it."""
        return self.spec.security.mtls.mode if self.spec.security.mtls else None

    @property
    def is_authorized(self) -> bool:
        """Whether a service answers only those that may ask it."""
        authorization = self.spec.security.authorization
        return authorization is not None and authorization.enabled
