"""A metric as a plan declares it: counters or a histogram, of any name and with any labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from rollout.plan.fields.base import Label, Model, Number, Word, is_recorded, spelled
from rollout.plan.fields.codes import fault, raise_at
from rollout.plan.fields.matchers import Matcher, Matchers, read_matchers
from rollout.plan.fields.metric import DeclaredMetric, HumanLabels, PairLabels, Reporter, Selector

_SERIES = spelled(
    r"^[a-zA-Z_:][a-zA-Z0-9_:.]*$", "the name of a series: letters, digits, `_`, `:` and `.`"
)
SeriesName = Annotated[str, Field(pattern=_SERIES)]

_REPORTER = (
    "Who counts: a `proxy` counts requests to a dead version too, the `server` itself does not, "
    "and a `judge` counts a part of all answers."
)
_BAD = (
    "What is bad: values of labels of `series`, or a list of such, any of which is bad; beside "
    "`total` a selector of its own, `{series: ..., where: {...}}`."
)


class SelectorModel(Model):
    """Series by their name and by values of their labels."""

    series: SeriesName = Field(description="Name of the series.")
    where: Matchers | None = Field(None, description="Only series with these values.")

    @property
    def selector(self) -> Selector:
        return Selector(self.series, read_matchers(self.where))


_ONE_OUTCOME: TypeAdapter[Any] = TypeAdapter(Matchers)
_OUTCOMES: TypeAdapter[Any] = TypeAdapter(Annotated[list[Matchers], Field(min_length=1)])
_OWN_COUNTER: TypeAdapter[Any] = TypeAdapter(SelectorModel)


def _check_bad(value: Any, info: ValidationInfo) -> Any:
    """Check what is bad by the form that the rest of the counter asks for."""
    own = _OUTCOMES if isinstance(value, list) else _ONE_OUTCOME
    adapter = own if info.data.get("total") is None else _OWN_COUNTER
    return adapter.validate_python(value, context=info.context)


class Counter(Model):
    """A rate from counters: bad units among all units.

    Either one `series`, of which labels tell what is `bad`, or two selectors, `bad` and `total`.
    """

    series: SeriesName | None = Field(None, description="Name of the counter of all units.")
    where: Matchers | None = Field(None, description="Only series with these values.")
    total: SelectorModel | None = Field(
        None, description="The counter of all units, where bad ones have a counter of their own."
    )
    bad: Annotated[
        Any,
        BeforeValidator(_check_bad),
        WithJsonSchema({"type": ["object", "array"], "description": _BAD}),
    ] = Field(description=_BAD)
    unit: Word = Field("requests", description="What it counts, in the plural.")
    reporter: Reporter = Field("server", description=_REPORTER)

    @model_validator(mode="after")
    def _check_one_form(self) -> Self:
        if self.series is None and self.total is None:
            raise fault("P016", "a counter needs `series`, or `total` beside a `bad` of its own")
        if self.series is not None and self.total is not None:
            message = "`series` names the counter of all units already: remove one of the two"
            raise_at("counter", (("total",), fault("P016", message)))
        if self.total is not None and self.where is not None:
            message = "`where` belongs in `total` and in `bad`, which are selectors of their own"
            raise_at("counter", (("where",), fault("P016", message)))
        return self

    @model_validator(mode="after")
    def _check_good_units(self, info: ValidationInfo) -> Self:
        """Refuse a counter without good units. Recorded plans go on."""
        total = self.metric.total
        is_all = any(
            outcome.series == total.series and set(outcome.where) <= set(total.where)
            for outcome in self.metric.bad
        )
        if is_all and not is_recorded(info):
            hint = "give `bad` a label that tells bad units from good ones"
            message = "`bad` selects all that is counted, so that nothing is good"
            raise_at("counter", (("bad",), fault("P006", message, hint=hint)))
        return self

    @property
    def metric(self) -> DeclaredMetric:
        """What the reader reads; labels of service and version are added elsewhere."""
        if self.total is not None:
            return self._build(self.total.selector, (self.bad.selector,))
        total = Selector(self.series or "", read_matchers(self.where))
        outcomes = self.bad if isinstance(self.bad, list) else [self.bad]
        bad = (
            Selector(total.series, tuple(sorted({*total.where, *read_matchers(outcome)})))
            for outcome in outcomes
        )
        return self._build(total, tuple(bad))

    def _build(self, total: Selector, bad: tuple[Selector, ...]) -> DeclaredMetric:
        return DeclaredMetric("rate", total, bad, unit=self.unit, reporter=self.reporter)


class RatioOfSums(Model):
    """What units add up to, for each of other units: tokens per request, cost per call."""

    sum: SelectorModel = Field(description="The counter of what is added up: tokens, cost.")
    count: SelectorModel = Field(description="The counter of what it is divided by: requests.")
    unit: Word = Field("units", description="What is added up, in the plural: `tokens`, `USD`.")
    per: Word = Field("request", description="What it is divided by, in the singular: `call`.")
    step: Number = Field(
        1.0,
        gt=0,
        le=1,
        description="The sum is counted in whole steps of this: 0.000001 for money.",
    )
    reporter: Reporter = Field("server", description=_REPORTER)

    @property
    def metric(self) -> DeclaredMetric:
        """What the reader reads; labels of service and version are added elsewhere."""
        return DeclaredMetric(
            "ratio",
            self.count.selector,
            (self.sum.selector,),
            unit=self.unit,
            per=self.per,
            step=self.step,
            reporter=self.reporter,
        )


class Exposures(Model):
    """Who was sent where, by a counter: the share of traffic is tested by it, and no harm."""

    series: SeriesName = Field(description="Name of the counter of requests, by version.")
    where: Matchers | None = Field(None, description="Only series with these values.")
    unit: Word = Field("requests", description="What it counts, in the plural.")
    reporter: Reporter = Field("proxy", description=_REPORTER)

    @property
    def metric(self) -> DeclaredMetric:
        """What the reader reads; labels of service and version are added elsewhere."""
        total = Selector(self.series, read_matchers(self.where))
        return DeclaredMetric("exposure", total, unit=self.unit, reporter=self.reporter)


def _check_each_says_one_thing(*labels: str, where: Matchers | None) -> None:
    """Refuse labels that are the same, or by whose values `where` chooses: some are never read."""
    chosen = {matcher.label for matcher in read_matchers(where)}
    for index, label in enumerate(labels):
        if label in {*labels[:index], *chosen, "__name__", "le"}:
            raise fault("P029", f"the label `{label}` is read for something else already")


class Pairs(Model):
    """Both versions' answers to one request, of which a judge named the better, by a counter.

    Its labels name the winner (`stable`, `canary`, `tie`) and which version the judge read first.
    """

    series: SeriesName = Field(description="Name of the counter of pairs.")
    where: Matchers | None = Field(None, description="Only series with these values.")
    winner: Label = Field("winner", description="Label of who won: `stable`, `canary` or `tie`.")
    first: Label = Field("first", description="Label of who was read first: `stable`, `canary`.")

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        _check_each_says_one_thing(self.winner, self.first, where=self.where)
        return self

    @property
    def metric(self) -> DeclaredMetric:
        """What the reader reads; labels of the service are added elsewhere."""
        where, labels = read_matchers(self.where), PairLabels(self.winner, self.first)
        lost = (Selector(self.series, tuple(sorted({*where, *own}))) for own in labels.lost)
        return DeclaredMetric(
            "pairs",
            Selector(self.series, where),
            tuple(lost),
            unit="pairs",
            reporter="judge",
            needs_stable=False,
            pairs=labels,
        )


class Human(Model):
    """What people said of answers that a judge scores too, by a counter. It decides nothing."""

    of: Word = Field(description="Name of the guardrail that has the judge's own scores.")
    series: SeriesName = Field(description="Name of the counter of answers that people labelled.")
    where: Matchers | None = Field(None, description="Only series with these values.")
    human: Label = Field("human", description="Label of what a person said.")
    judge: Label | None = Field(
        None,
        description="Label of what the judge said of the same answers; without one judge and "
        "people cannot be combined.",
    )
    good: Word = Field("pass", description="The value of both labels for a good answer.")
    bad: Word = Field("fail", description="The value of both labels for a bad answer.")
    delay: Word | None = Field(
        None, description="Name of a guardrail whose histogram has how long labels took."
    )

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        own = [self.human] if self.judge is None else [self.human, self.judge]
        _check_each_says_one_thing(*own, where=self.where)
        if self.good == self.bad:
            raise fault("P029", f"`{self.good}` cannot be both good and bad")
        return self

    @property
    def metric(self) -> DeclaredMetric:
        """What the reader reads; labels of service and version are added elsewhere."""
        where = read_matchers(self.where)
        labels = HumanLabels(
            self.of, self.human, self.judge or "", self.good, self.bad, self.delay or ""
        )
        bad = tuple(sorted({*where, Matcher(self.human, "=", self.bad)}))
        return DeclaredMetric(
            "human",
            Selector(self.series, where),
            (Selector(self.series, bad),),
            unit="labels",
            reporter="judge",
            human=labels,
        )


class Histogram(Model):
    """Values from a histogram, classic or native."""

    series: SeriesName = Field(description="Name of the histogram, with or without `_bucket`.")
    where: Matchers | None = Field(None, description="Only series with these values.")
    unit: Word = Field(
        "s", description="Unit of the edges: `s` or `ms`, or what one value is, such as `score`."
    )
    worse: Literal["high", "low"] = Field(
        "high",
        description="Which end is bad. A tolerance is a share of the value where high is bad, and "
        "in the value's own unit where low is.",
    )
    reporter: Reporter = Field("server", description=_REPORTER)

    @property
    def metric(self) -> DeclaredMetric:
        """What the reader reads; labels of service and version are added elsewhere."""
        series = f"{self.series.removesuffix('_bucket')}_bucket"
        return DeclaredMetric(
            "shape",
            Selector(series, read_matchers(self.where)),
            worse=self.worse,
            relative=self.worse == "high",
            unit=self.unit,
            reporter=self.reporter,
        )
