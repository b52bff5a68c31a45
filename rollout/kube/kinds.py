"""The kinds of objects that Surefoot reads or writes in a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rollout.plan.kube import crd, template, trigger

Json = dict[str, Any]
CORE = ""  # the group without a name; of its kinds only ConfigMaps are read by `Kind`


@dataclass(frozen=True)
class Kind:
    """A kind of resource, by the names that the API server's paths use."""

    group: str
    version: str
    plural: str
    name: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}".removeprefix("/")


ROLLOUT_PLAN = Kind(crd.GROUP, crd.VERSION, crd.PLURAL, crd.KIND)
METRIC_TEMPLATE = Kind(crd.GROUP, crd.VERSION, template.PLURAL, template.KIND)
ROLLOUT_TRIGGER = Kind(crd.GROUP, crd.VERSION, f"{trigger.KIND.lower()}s", trigger.KIND)
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
CONFIG_MAP = Kind(CORE, "v1", "configmaps", "ConfigMap")
