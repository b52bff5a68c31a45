"""Guardrails: what must not get worse, and by which metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rollout.plan.fields.base import Model, Number, Word, written
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.matchers import Matcher, read_matchers
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.fields.units import Duration
from rollout.plan.model.labels import Labels
from rollout.plan.model.limits import Above, Below, Limit, Margin, Never, Slower, Times, Tolerance
from rollout.plan.model.mesh.route import exactly_one, only
from rollout.plan.model.metric import Counter, Exposures, Histogram, Human, Pairs, RatioOfSums
from rollout.plan.model.prometheus import PrometheusServer
from rollout.plan.model.template import MetricTemplate, declared_metric
from rollout.plan.model.templates import METRICS

_SOURCES = ("template", "counter", "histogram", "ratio", "exposure", "pairs", "human")
_BEYOND = ("slower", "above", "below")
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "counter": ("rate", ("margin", "never", "limit")),
    "histogram": ("shape", ("tolerance", *_BEYOND)),
    "ratio": ("ratio", ("times",)),
    "exposure": ("exposure", ()),
    "pairs": ("pairs", ("margin",)),
    "human": ("human", ()),
}
LARGEST_OF_PAIRS = 0.5

UNBOUND = ("ratio", "exposure", "human")
"""Metrics that no limit is asked of: they show no harm."""

_NOUNS = {
    "rate": "rate",
    "shape": "histogram",
    "ratio": "ratio of sums",
    "exposure": "exposure",
    "pairs": "count of pairs",
    "human": "count of people's labels",
}


_DUE = {"rate": "margin", "shape": "tolerance", "ratio": "times", "pairs": "margin"}


def _require_key(noun: str) -> dict[str, Any]:
    """JSON Schema: a metric of this kind has one of its keys, and none of the others."""
    kind, keys = KINDS[noun]
    names = sorted(name for name, metric in METRICS.items() if metric.kind == kind)
    is_kind = {
        "anyOf": [
            {"properties": {"template": {"enum": names}}, "required": ["template"]},
            {"properties": {noun: {"type": "object"}}, "required": [noun]},
        ]
    }
    others = dict.fromkeys(key for _, own in KINDS.values() for key in own if key not in keys)
    required = {} if noun in UNBOUND else exactly_one(*keys)
    return {
        "if": is_kind,
        "then": {**required, "properties": {other: {"type": "null"} for other in others}},
    }


class Guardrail(Model):
    """One metric that the canary must not make worse than its margin or tolerance allows."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [*map(_require_key, KINDS), exactly_one(*_SOURCES)]}
    )

    name: Word = Field(description="Name of this guardrail in the log.")
    template: str | None = Field(
        None,
        description="Metric template: which series is read, and what is bad.",
        examples=sorted(METRICS),
    )
    counter: Counter | None = Field(
        None, description="A metric of your own: bad units among all, from counters."
    )
    histogram: Histogram | None = Field(
        None, description="A metric of your own: values, from a histogram."
    )
    ratio: RatioOfSums | None = Field(
        None, description="A metric of your own: what units add up to. It is shown, not judged."
    )
    exposure: Exposures | None = Field(
        None, description="A counter of your own of who was sent where, for the share of traffic."
    )
    pairs: Pairs | None = Field(
        None, description="A counter of pairs of answers, of which a judge named the better."
    )
    human: Human | None = Field(
        None, description="A counter of what people said of answers. It is shown, not judged."
    )
    never: Never | None = Field(
        None,
        description="For what must not happen: outside of the error rates, and without stable.",
    )
    limit: Limit | None = Field(
        None, description="For rates: the largest share of bad units of the canary, without stable."
    )
    margin: Margin | None = Field(
        None,
        validate_default=True,
        description="For rates: how much worse is acceptable. For pairs: how many more than half "
        "the canary may lose.",
    )
    slower: Slower | None = Field(
        None, description="For times: how many more may take longer than one."
    )
    above: Above | None = Field(
        None, description="For other values of which high is bad: how many more may be above one."
    )
    below: Below | None = Field(
        None, description="For scores: how many more may be as low as one, or lower."
    )
    tolerance: Tolerance | None = Field(
        None,
        validate_default=True,
        description="For latency (a share, 10%) and scores (in their unit, 0.02).",
    )
    times: Times | None = Field(
        None,
        description="For ratios of sums: a promotion waits while the canary's is more than so many "
        "times stable's. A plain bound, without an error rate.",
    )
    importance: Number = Field(
        1.0, gt=0, le=100, description="Weight in the joint evidence that leads to a rollback."
    )
    lag: Duration = written(
        "0s", "How late this metric's samples arrive, e.g. while a judge scores them."
    )
    labels: Labels = Field(
        Labels(), description="Label names, where they differ from the template."
    )
    prometheus: PrometheusServer | None = Field(
        None, description="Another Prometheus than the plan's, which has this metric's series."
    )

    @model_validator(mode="before")
    @classmethod
    def _write_out_template(cls, data: Any, info: ValidationInfo) -> Any:
        """Write what a template of the installation reads in place of its name."""
        own = _list_own(info)
        name = data.get("template") if isinstance(data, dict) else None
        return own[name].written_in(data) if isinstance(name, str) and name in own else data

    @field_validator("template")
    @classmethod
    def _check_known(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and name not in METRICS:
            if wrong := _list_wrong(info).get(name):
                raise fault("P006", f"the template `{name}` is wrong: {wrong}")
            choices = sorted({*METRICS, *_list_own(info), *_list_others(info)})
            raise fault("P006", f"there is no template `{name}`", choices=choices)
        return name

    @field_validator("never", "limit", "margin", *_BEYOND, "tolerance", "times")
    @classmethod
    def _check_fits_metric(cls, value: Any, info: ValidationInfo) -> Any:
        """Check that a metric has what fits its kind: a rate a margin, a histogram a tolerance."""
        source, key = _find_source(info.data), info.field_name or ""
        if source is None:  # the metric itself is a mistake, reported at its own field
            return value
        name, kind = source
        noun = _NOUNS[kind]
        fitting = next(keys for own, keys in KINDS.values() if own == kind)
        due = _DUE.get(kind, "")
        if value is not None and key not in fitting:
            cure = f"replace `{key}` by `{due}`" if due else f"remove `{key}`"
            raise fault("P014", f"{name} is {_an(noun)}: {cure}")
        others = [other for other in fitting if other != due]
        has_other = any(info.data.get(other, False) is not None for other in others)
        if value is None and key == due and not has_other and kind not in UNBOUND:
            raise fault("P004", f"missing key `{due}`, which {name} needs as a {noun}")
        return value

    @model_validator(mode="after")
    def _check_one_metric(self) -> Self:
        only(self, "a guardrail", *_SOURCES)
        if self.metric.kind == "shape":
            only(self, "a histogram's guardrail", "tolerance", *_BEYOND)
        elif self.metric.kind == "rate":
            only(self, "a rate's guardrail", "margin", "never", "limit")
        self._check_edge_fits()
        self._check_judge_fits()
        if self.pairs is not None:
            self._check_pairs(self.margin, self.labels)
            return self
        if not self.metric.version and self.labels.arms is None:
            message = "nothing tells the two versions of this metric apart"
            hint = "write `labels: {version: LABEL}`, or `labels: {arms: ...}` with two selectors"
            raise_at("guardrail", (("labels",), fault("P004", message, hint=hint)))
        return self

    def _check_judge_fits(self) -> None:
        """Check that who scored can be told from a label that says nothing else."""
        label, metric = self.labels.judge, self.metric
        if label is None:
            return
        if not (metric.is_evidence and metric.needs_stable):
            message = f"`{self.name}` compares nothing that a judge scored"
        elif label in self.labels_in_use:
            message = f"`{self.name}` reads the label `{label}` for something else already"
        else:
            return
        raise_at("guardrail", (("labels", "judge"), fault("P029", message)))

    @staticmethod
    def _check_pairs(margin: Margin | None, labels: Labels) -> None:
        """Check what says in other guardrails of which version a unit is, and how many are bad."""
        if labels.version is not None or labels.arms is not None:
            key = "version" if labels.version is not None else "arms"
            message = "a pair is of both versions, which `first` and `winner` name"
            hint = f"remove `{key}`"
            raise_at("guardrail", (("labels", key), fault("P016", message, hint=hint)))
        if margin is not None and (margin.ratio != 1 or margin.absolute >= LARGEST_OF_PAIRS):
            message = "of pairs the canary may lose a half and a margin below 50 % more"
            hint = "write `margin: {absolute: 5%}`"
            raise_at("guardrail", (("margin",), fault("P014", message, hint=hint)))

    def _check_edge_fits(self) -> None:
        """Check that the key of an edge is the one for the metric's values."""
        metric = self.metric
        due = metric.key_of_edge
        for key in _BEYOND:
            if getattr(self, key) is not None and key != due:
                values = f"durations in {metric.unit}" if metric.is_time else metric.unit
                message = f"`{key}` does not fit {values}, of which {metric.worse} is bad"
                raise_at("guardrail", ((key,), fault("P026", message, hint=f"write `{due}`")))

    @property
    def weighs_evidence(self) -> bool:
        """Whether it has a share of the error rates: what must not happen at all has none.

        Neither have a ratio of sums, of which nothing can be proven, and exposures.
        """
        return self.never is None and self.metric.is_evidence

    @property
    def has_past(self) -> bool:
        """Whether stable's past says how its units come, and so what the error rates assume."""
        return self.weighs_evidence and self.metric.kind != "pairs"

    @property
    def arms(self) -> tuple[tuple[Matcher, ...], tuple[Matcher, ...]] | None:
        """Selectors of stable's series and of the canary's; None where a label tells them."""
        if self.metric.pairs is not None:
            return self.metric.pairs.arms
        arms = self.labels.arms
        return None if arms is None else (read_matchers(arms.stable), read_matchers(arms.canary))

    @property
    def labels_in_use(self) -> set[str]:
        """The labels whose meaning the plan declares, and those that every series has."""
        metric, arms = self.metric, self.arms or ()
        own = {matcher.label for arm in arms for matcher in arm}
        named = {metric.service, metric.version, metric.namespace, *metric.labels}
        return {*own, *named, "__name__", "le"}

    @property
    def is_shown_only(self) -> bool:
        """Whether it decides nothing: neither a rollback nor a promotion."""
        kind = self.metric.kind
        return kind == "human" or (kind == "ratio" and self.times is None)

    @property
    def beyond(self) -> Slower | Above | Below | None:
        """The edge beyond which units are bad, with its margin; None where there is none."""
        return self.slower or self.above or self.below

    @property
    def bad_margin(self) -> Margin | None:
        """How much larger the share of bad units may be; None for shapes, and for pairs.

        A limit is a margin above a version that fails at nothing.
        """
        if self.bound is not None:
            return Margin(absolute=self.bound)
        if self.pairs is not None:
            return None
        return self.beyond.margin if self.beyond else self.margin

    @property
    def bound(self) -> float | None:
        """The largest share of bad units of the canary alone; None where it is compared."""
        return self.beyond.limit if self.beyond else self.limit

    @cached_property
    def metric(self) -> DeclaredMetric:
        """What is read: the template's metric or the plan's own, with the plan's labels."""
        if self.template is not None:
            metric = METRICS[self.template]
        else:
            metric = declared_metric(
                self.counter, self.histogram, self.ratio, self.exposure, self.pairs, self.human
            )
        labels = self.labels
        exact = {having.label: having.value for having in labels.where or ()}
        return replace(
            metric.narrowed(exact),
            service=labels.service or metric.service,
            version="" if labels.arms else labels.version or metric.version,
            namespace=labels.namespace or metric.namespace,
            judge=labels.judge or "",
            needs_stable=metric.needs_stable and self.never is None and self.bound is None,
            edge=self.beyond.find_edge(metric.unit) if self.beyond else None,
        )


def find_wrong_references(
    guardrails: Sequence[Guardrail],
) -> Iterator[tuple[tuple[str | int, ...], PydanticCustomError]]:
    """Yield the names by which people's labels ask for a guardrail that does not fit."""
    by_name = {guardrail.name: guardrail for guardrail in guardrails}
    for index, guardrail in enumerate(guardrails):
        if (labels := guardrail.metric.human) is None:
            continue
        scored = by_name.get(labels.of)
        if scored is None or not scored.metric.has_bad_units:
            message = f"`{labels.of}` is no guardrail that counts what a judge calls bad"
            yield (index, "human", "of"), fault("P006", message)
        delay = by_name.get(labels.delay)
        if labels.delay and (delay is None or delay.metric.kind != "shape"):
            message = f"`{labels.delay}` is no guardrail with a histogram"
            yield (index, "human", "delay"), fault("P006", message)


def _an(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _list_wrong(info: ValidationInfo) -> Mapping[str, str]:
    """Return by name what is wrong with own templates that cannot be read."""
    context = info.context if isinstance(info.context, dict) else {}
    return dict(context.get("wrong_templates") or {})


def _list_others(info: ValidationInfo) -> tuple[str, ...]:
    """Return the names of own templates that a plan could name, whether or not they were read."""
    context = info.context if isinstance(info.context, dict) else {}
    return tuple(context.get("template_names") or ())


def _list_own(info: ValidationInfo) -> Mapping[str, MetricTemplate]:
    """Return the installation's own templates by name."""
    context = info.context if isinstance(info.context, dict) else {}
    return dict(context.get("templates") or {})


def _find_source(given: dict[str, Any]) -> tuple[str, str] | None:
    """Return the name and the kind of the metric that is given; None where it is a mistake."""
    if given.get("template") is not None:
        return given["template"], METRICS[given["template"]].kind
    return next(((f"the {key}", kind) for key, (kind, _) in KINDS.items() if given.get(key)), None)
