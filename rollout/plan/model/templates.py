"""The templates that are shipped, as documents.

They stand in `shipped` and not in files of their own, because a decision that is made again from a
journal needs them and reads no file. `surefoot templates NAME` shows each as the document to copy.
"""

from __future__ import annotations

from rollout.plan.model.shipped.answers import ANSWERS
from rollout.plan.model.shipped.forms import Spec
from rollout.plan.model.shipped.models import MODELS
from rollout.plan.model.shipped.proxies import PROXIES
from rollout.plan.model.template import MetricTemplate


def _build(name: str, spec: Spec) -> MetricTemplate:
    head = {"apiVersion": "surefoot.dev/v1alpha1", "kind": "MetricTemplate"}
    return MetricTemplate.model_validate({**head, "metadata": {"name": name}, "spec": spec})


_SPECS = {**PROXIES, **ANSWERS, **MODELS}
SHIPPED = {name: _build(name, spec) for name, spec in _SPECS.items()}
METRICS = {name: template.metric for name, template in SHIPPED.items()}
