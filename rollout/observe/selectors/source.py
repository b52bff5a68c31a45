"""Where a guardrail's series are, and which version each of them is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from rollout.errors import ObserveError
from rollout.plan.fields.matchers import Matcher, match_all
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer

STABLE, CANARY = "stable", "canary"  # stand for the versions where selectors tell them apart


@dataclass(frozen=True, order=True)
class Source:
    """What all rollouts in one query share: server, series, label names and filters.

    `names` are those of the series; `service` is empty where no label names it. The versions are
    told apart by the label `version`, or by `arms`: a selector of stable and one of the canary.
    """

    url: str
    names: tuple[str, ...]
    service: str
    version: str
    where: tuple[Matcher, ...] = ()
    access: str = ""
    arms: tuple[tuple[Matcher, ...], ...] = ()

    @property
    def server(self) -> PrometheusServer:
        """The server that has the series."""
        return PrometheusServer.model_construct(url=self.url, access=self.access or None)

    @cached_property
    def declared(self) -> frozenset[str]:
        """The labels whose meaning the plan declares."""
        matchers = [*self.where, *(matcher for arm in self.arms for matcher in arm)]
        return frozenset({self.service, self.version, *(m.label for m in matchers)} - {""})

    @cached_property
    def constant(self) -> frozenset[str]:
        """The labels that are equal for all series of one version."""
        of_arms = [{m.label for m in arm if m.operator == "="} for arm in self.arms]
        constant = set.intersection(*of_arms) if of_arms else {self.version}
        return frozenset({"__name__", "le", self.service, *constant} - {""})

    def find_version(self, labels: Mapping[str, str]) -> tuple[str, str]:
        """Return service and version of a series. Raises ObserveError if it is of both."""
        service = labels.get(self.service, "") if self.service else ""
        if not self.arms:
            return service, labels.get(self.version, "")
        of_stable, of_canary = (match_all(arm, labels) for arm in self.arms)
        if of_stable and of_canary:
            message = "a series fits the selectors of both versions: tell them apart"
            raise ObserveError(message, "make the two selectors of `arms` exclude each other")
        return service, STABLE if of_stable else CANARY if of_canary else ""


def source_of(plan: Plan, guardrail: Guardrail) -> Source:
    """Return where a guardrail's series are."""
    metric = guardrail.metric
    own = [Matcher(metric.namespace, "=", plan.metadata.namespace)] if metric.namespace else []
    server = guardrail.prometheus or plan.spec.prometheus.server
    return Source(
        url=server.url.rstrip("/"),
        names=metric.names,
        service=metric.service,
        version=metric.version,
        where=tuple(sorted({*metric.where, *own})),
        access=server.access or "",
        arms=guardrail.arms or (),
    )


def list_servers(plan: Plan) -> list[PrometheusServer]:
    """Return every server that has series of a plan's guardrails."""
    servers = (source_of(plan, guardrail).server for guardrail in plan.spec.guardrails)
    return [*dict.fromkeys(servers)]
