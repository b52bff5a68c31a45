"""Parses each RolloutPlan resource once per change, into a plan or a list of mistakes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from rollout.errors import PlanError
from rollout.kube.kinds import Json
from rollout.plan.fields.base import RECORDED
from rollout.plan.kube.resource import describe_mistakes, find_spelling, name_of, plan_of
from rollout.plan.model.plan import Plan

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Resources(Protocol):
    """The resources of one kind, such as an informer's cache."""

    def list(self) -> Sequence[Json] | None:
        """Return all resources as last seen; None before the first complete list."""
        ...


@dataclass(frozen=True)
class Declared:
    """A plan and its rollout id, which is a digest and therefore computed only once.

    `mistakes` break rules that are newer than such plans: it may go on, but not begin.
    """

    plan: Plan
    rollout: str
    mistakes: tuple[str, ...] = ()


ParseResult = Declared | tuple[str, ...]


class PlanCache:
    """Caches parsed plans by everything in a resource that the plan depends on."""

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[tuple[Any, ...], ParseResult]] = {}

    def read(
        self, resource: Json, context: Mapping[str, Any] = NOTHING, versions: tuple[Any, ...] = ()
    ) -> ParseResult:
        """Return the plan, or every mistake as `place: code message`.

        It is read in a `context`, which is another with other `versions`.
        """
        name, key = name_of(resource), (find_spelling(resource), versions)
        if name not in self._parsed or self._parsed[name][0] != key:
            self._parsed[name] = (key, _parse(resource, context))
        return self._parsed[name][1]

    def keep(self, names: Collection[str]) -> None:
        """Forget all resources but these."""
        self._parsed = {name: entry for name, entry in self._parsed.items() if name in names}


def _parse(resource: Json, context: Mapping[str, Any]) -> ParseResult:
    try:
        plan = plan_of(resource, dict(context))
        return Declared(plan, plan.id)
    except PlanError as error:
        mistakes = tuple(describe_mistakes(resource, error))
    try:
        plan = plan_of(resource, {**context, **RECORDED})
    except PlanError:
        return mistakes
    return Declared(plan, plan.id, mistakes)
