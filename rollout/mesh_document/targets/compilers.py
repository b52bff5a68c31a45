"""The compilers by the name of their target."""

from __future__ import annotations

from collections.abc import Callable

from rollout.errors import PlanError
from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.reading.load import MeshSource
from rollout.mesh_document.targets.compiled import Compiled, Options
from rollout.mesh_document.targets.envoy import compile_envoy
from rollout.mesh_document.targets.gateway import compile_gateway
from rollout.mesh_document.targets.istio import compile_istio

COMPILERS: dict[str, Callable[[ServiceMesh, Options], Compiled]] = {
    "istio": compile_istio,
    "gateway": compile_gateway,
    "envoy": compile_envoy,
}


def compile_mesh(source: MeshSource, target: str, options: Options) -> Compiled:
    """Compile a document. Raises PlanError with everything that the target refuses."""
    compiled = COMPILERS[target](source.mesh, options)
    if compiled.refusals:
        raise PlanError([source.mistake(refusal) for refusal in compiled.refusals])
    return compiled
