"""The JSON Schema of mesh documents, for editors."""

from __future__ import annotations

from rollout.mesh_document.model.document import ServiceMesh
from rollout.plan.kube.json_schema import schema_text

ID = "https://surefoot.dev/schemas/mesh.ai/v1/servicemesh.json"


def mesh_schema_text() -> str:
    """The text of the schema, as it is printed and as it is in the repository."""
    return schema_text(ServiceMesh, ID)
