"""The metric templates of a namespace, as its plans name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rollout.errors import PlanError
from rollout.kube.kinds import Json
from rollout.plan.kube.resource import find_spelling, name_of
from rollout.plan.kube.template import describe_wrong, list_named, template_of
from rollout.plan.model.template import MetricTemplate

_UNREAD = (
    "the MetricTemplates of this namespace are not read yet: they need the definition in "
    "manifests/crd-template.yaml and the right to list and watch them"
)


@dataclass(frozen=True)
class NamedTemplates:
    """The templates that a plan names: those that are sound, and what is wrong with others.

    `names` are those of all that the namespace has, and `versions` change with any that is named.
    """

    sound: Mapping[str, MetricTemplate] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    versions: tuple[Any, ...] = ()

    @property
    def context(self) -> dict[str, Any]:
        """The context in which the plan is validated."""
        return {
            "templates": self.sound,
            "wrong_templates": self.wrong,
            "template_names": self.names,
        }


NONE = NamedTemplates()


class ListedTemplates(Protocol):
    """The templates that are there."""

    def list(self) -> Sequence[Json] | None:
        """Return all of them as last seen; None before the first complete list."""


class NoTemplates:
    """A cluster of which no metric templates are read."""

    def list(self) -> None:
        """Return that nothing is known."""


@dataclass
class TemplateReader:
    """Reads each template once per change; asks for none until a plan names one."""

    resources: ListedTemplates = field(default_factory=NoTemplates)
    _read: dict[str, tuple[Any, MetricTemplate | str]] = field(default_factory=dict)

    def read_named(self, plan: Json) -> NamedTemplates:
        """Return the templates that a plan's resource names, of its own namespace."""
        names = list_named(plan)
        if not names:
            return NONE
        listed = self.resources.list()
        if listed is None:
            return NamedTemplates(wrong=dict.fromkeys(names, _UNREAD), versions=(None,))
        namespace = name_of(plan).partition("/")[0]
        there = {name_of(resource): resource for resource in listed}
        self._read = {name: entry for name, entry in self._read.items() if name in there}
        read = {
            name: self._read_one(full, there[full])
            for name in names
            if (full := f"{namespace}/{name}") in there
        }
        sound = {n: own for n, own in read.items() if isinstance(own, MetricTemplate)}
        wrong = {n: own for n, own in read.items() if isinstance(own, str)}
        versions = tuple((n, self._read[f"{namespace}/{n}"][0]) for n in read)
        others = [full.partition("/")[2] for full in there if full.startswith(f"{namespace}/")]
        return NamedTemplates(sound, wrong, tuple(others), (*versions, *others))

    def _read_one(self, name: str, resource: Json) -> MetricTemplate | str:
        version = find_spelling(resource)
        if name not in self._read or self._read[name][0] != version:
            try:
                template: MetricTemplate | str = template_of(resource)
            except PlanError as error:
                template = describe_wrong(resource, error)
            self._read[name] = version, template
        return self._read[name][1]
