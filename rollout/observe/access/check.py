"""Find the places in a plan's file that name an access which the installation does not have."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.errors import Mistake, ObserveError
from rollout.observe.access.credentials import Accesses
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.plan.reading.load import find_document
from rollout.plan.reading.positions import Path


def find_access_mistakes(plan: Plan, text: str, file: str, accesses: Accesses) -> Iterator[Mistake]:
    """Yield a mistake for each server of a plan that its access is not for. `text` is its file."""
    document = find_document(plan.name, text, file)
    for path, server in _list_servers(plan):
        try:
            accesses.resolve(server)
        except ObserveError as error:
            _, node = document.find((*path, "access"))
            yield document.mistake(node, "P006", str(error), error.cure)


def _list_servers(plan: Plan) -> Iterator[tuple[Path, PrometheusServer]]:
    yield ("spec", "prometheus"), plan.spec.prometheus.server
    for index, guardrail in enumerate(plan.spec.guardrails):
        if guardrail.prometheus is not None:
            yield ("spec", "guardrails", index, "prometheus"), guardrail.prometheus
