"""Write manifests and plans, and say how they are applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from rollout.kube.kinds import Kind
from rollout.mesh_document.notes import Remark, left_out
from rollout.mesh_document.splits import Shift
from rollout.mesh_document.targets.compiled import Compiled, Home
from rollout.route.manifest import Json

_PART_OF = "app.kubernetes.io/part-of"
_ROUTES = (
    "# Apply these once: from then on the rollouts own the weights, and applying this file again\n"
    "# would send everything back to where it began.\n"
)
_OURS = (
    "# The first step and the segment are the mesh document's. The rest of the ladder, the bake\n"
    "# and the guardrails are Surefoot's: set the margins to what is acceptable here.\n"
)


def bundle(
    objects: Sequence[Json],
    routes: Sequence[Json],
    plans: Sequence[tuple[Shift, Json]],
    remarks: Iterable[Remark],
) -> Compiled:
    """Return the objects of a cluster, the routes that plans move, and the plans."""
    files = {"mesh.yaml": write_documents(objects)} if objects else {}
    if routes:
        files["routes.yaml"] = write_documents(routes, _ROUTES)
    if not files:
        remarks = [*remarks, left_out(("metadata",), "there is nothing to write")]
    commands = [f"kubectl apply {' '.join(f'-f {name}' for name in files)}"] if files else []
    return Compiled(files | write_plans(plans), [*remarks], commands + list_run_commands(plans))


def write_plans(plans: Sequence[tuple[Shift, Json]]) -> dict[str, str]:
    """Return the text of each plan by the name of its file."""
    return {_name_file(shift): write_documents([plan], _OURS) for shift, plan in plans}


def list_run_commands(plans: Sequence[tuple[Shift, Json]]) -> list[str]:
    """Return the command that runs the first plan of each service; others wait for its end."""
    first = {shift.service: _name_file(shift) for shift, _ in reversed(plans)}
    return [f"surefoot run {' '.join(sorted(first.values()))}"] if first else []


def _name_file(shift: Shift) -> str:
    return f"plans/{shift.policy.name}.yaml"


def build_object(kind: Kind, name: str, home: Home, spec: Json) -> Json:
    """Return a manifest that anybody may apply; a label names its mesh."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": name, "namespace": home.namespace, "labels": {_PART_OF: home.mesh}},
        "spec": spec,
    }


def write_documents(documents: Iterable[Json], comment: str = "") -> str:
    """Return documents as the text of a YAML file, below a comment."""
    text = yaml.dump_all(documents, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=100)
    return f"{comment}{text}"


class _WithoutAliases:
    """Write a value that stands in two places twice: aliases are hard to read and to edit."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


_FASTEST = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's, where it is
_DUMPER: Any = type("_PlainDumper", (_WithoutAliases, _FASTEST), {})
