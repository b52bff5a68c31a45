"""What a guardrail reads: one metric, declared in a plan or in a template.

The reader knows only these. A template is a metric that has a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from rollout.plan.fields.matchers import Matcher, match_all

VERSIONS, TIE = ("stable", "canary"), "tie"

Reporter = Literal["proxy", "server", "judge"]
"""Who counts: a proxy sees requests to a dead canary too, a judge a part of all answers."""


@dataclass(frozen=True, order=True)
class Selector:
    """A series by its name, and which of those with the name."""

    series: str
    where: tuple[Matcher, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series is meant; an answer that says no name has but the one."""
        name = labels.get("__name__", self.series)
        return name == self.series and match_all(self.where, labels)

    def narrowed(self, exact: Mapping[str, str]) -> Selector:
        """Return it with exact values of labels, in place of what it says of these."""
        others = {matcher for matcher in self.where if matcher.label not in exact}
        own = {Matcher(label, "=", value) for label, value in exact.items()}
        return Selector(self.series, tuple(sorted(others | own)))


@dataclass(frozen=True)
class PairLabels:
    """The labels of a counter of pairs: which version won, and which a judge read first.

    Their values are `stable`, `canary` and, of the winner, `tie`; any other is of no known outcome.
    """

    winner: str = "winner"
    first: str = "first"

    @property
    def arms(self) -> tuple[tuple[Matcher, ...], tuple[Matcher, ...]]:
        """Selectors of the pairs that showed stable first, or none, and the canary first."""
        return (Matcher(self.first, "!=", "canary"),), (Matcher(self.first, "=", "canary"),)

    @property
    def lost(self) -> tuple[tuple[Matcher, ...], ...]:
        """Selectors of the pairs that the version lost which came first."""
        return tuple(
            (Matcher(self.first, "=", first), Matcher(self.winner, "=", winner))
            for first, winner in (("canary", "stable"), ("stable", "canary"))
        )

    def is_decided(self, labels: Mapping[str, str]) -> bool:
        """Return whether one of the versions won."""
        winner = labels.get(self.winner)
        return labels.get(self.first) in VERSIONS and winner in VERSIONS

    def is_tie(self, labels: Mapping[str, str]) -> bool:
        """Return whether a judge found neither version better."""
        return labels.get(self.first) in VERSIONS and labels.get(self.winner) == TIE


@dataclass(frozen=True)
class HumanLabels:
    """The labels of a counter of answers that people judged: what they and a judge said.

    Without `judge` nobody knows what it said of the same answers. `of` is the judge's guardrail,
    `delay` one whose histogram has how long a label took.
    """

    of: str
    human: str
    judge: str = ""
    good: str = "pass"
    bad: str = "fail"
    delay: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labels."""
        return (self.human, self.judge) if self.judge else (self.human,)

    def is_known(self, labels: Mapping[str, str]) -> bool:
        """Return whether each of the labels says good or bad."""
        return all(labels.get(name) in {self.good, self.bad} for name in self.names)

    def find_cell(self, labels: Mapping[str, str]) -> int | None:
        """Return 0 of what judge and people call bad, 1 of what the judge alone does; or None."""
        if not self.judge or not self.is_known(labels) or labels[self.judge] != self.bad:
            return None
        return 0 if labels[self.human] == self.bad else 1


@dataclass(frozen=True)
class DeclaredMetric:
    """One way to read counts of two versions.

    A `rate` counts units in `total` and bad ones in each of `bad`, any of which may match; these
    have a `total` of their own name, or are counters by themselves. A `shape` reads the buckets of
    a histogram; a `ratio` adds up what `bad` counts, in steps of `step`, for each unit in `total`,
    of which one is called `per`; an `exposure` counts
    units alone; `pairs` counts by which version was read first, bad ones being those that it lost;
    `human` counts what people judged.
    `worse` says which end is bad, `relative` whether a tolerance is
    a share of the value or in its unit. With an `edge`, in the unit of its values, all that is
    beyond it is bad. `service`, `version` and `namespace` are labels, empty where there is none.
    What is counted of the canary alone does not `needs_stable`. `judge` is the label of the
    version of who scored, empty where that is not told.
    """

    kind: Literal["rate", "shape", "ratio", "exposure", "pairs", "human"]
    total: Selector
    bad: tuple[Selector, ...] = ()
    service: str = ""
    version: str = ""
    namespace: str = ""
    worse: Literal["high", "low"] = "high"
    relative: bool = True
    unit: str = ""
    reporter: Reporter = "server"
    edge: float | None = None
    step: float = 1.0
    per: str = ""
    needs_stable: bool = True
    pairs: PairLabels | None = None
    human: HumanLabels | None = None
    judge: str = ""

    def narrowed(self, exact: Mapping[str, str]) -> DeclaredMetric:
        """Return it with exact values of labels, in place of what it says of these."""
        if not exact:
            return self
        return replace(
            self, total=self.total.narrowed(exact), bad=tuple(s.narrowed(exact) for s in self.bad)
        )

    @property
    def is_evidence(self) -> bool:
        """Whether harm can be shown by it."""
        return self.kind in {"rate", "shape", "pairs"}

    @property
    def has_bad_units(self) -> bool:
        """Whether each of its units is good or bad: by a counter, or by an edge of a histogram."""
        return self.kind == "rate" or self.edge is not None

    @property
    def key_of_edge(self) -> str:
        """The key of a guardrail by which the share beyond an edge of its values is judged."""
        if self.worse == "low":
            return "below"
        return "slower" if self.is_time else "above"

    @property
    def is_time(self) -> bool:
        """Whether its values are durations."""
        return self.unit in {"s", "ms"}

    def spell(self, value: float) -> str:
        """Format a value with its unit, as precisely as an edge has to be written: `250 ms`."""
        if not self.is_time:
            return f"{value:.7g}"
        seconds = value if self.unit == "s" else value / 1000
        return f"{seconds * 1000:.7g} ms" if abs(seconds) < 1 else f"{seconds:.7g} s"

    @property
    def of_one(self) -> str:
        """What a ratio is of, behind a noun: `a call`, `an answer`."""
        return f"{'an' if self.per[:1].lower() in set('aeiou') else 'a'} {self.per}"

    @property
    def is_proxy(self) -> bool:
        """Whether a proxy reports it, so that it counts requests to a dead canary too."""
        return self.reporter == "proxy"

    @property
    def is_judged(self) -> bool:
        """Whether somebody judges a part of all answers: each unit is a label."""
        return self.reporter == "judge"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its series."""
        return tuple(dict.fromkeys([self.total.series, *(outcome.series for outcome in self.bad)]))

    @cached_property
    def where(self) -> tuple[Matcher, ...]:
        """The matchers that all of its selectors share."""
        common = [set(selector.where) for selector in (self.total, *self.bad)]
        return tuple(sorted(set.intersection(*common)))

    @cached_property
    def has_own_total(self) -> bool:
        """Whether every series counts units: those of bad ones are exposures too."""
        return self.kind != "ratio" and all(
            outcome.series == self.total.series and set(self.total.where) <= set(outcome.where)
            for outcome in self.bad
        )

    @cached_property
    def outcomes(self) -> tuple[tuple[Matcher, ...], ...]:
        """By selector of bad units, the matchers that tell them from good ones."""
        return tuple(_without(outcome.where, self.total.where) for outcome in self.bad)

    @cached_property
    def labels_of_outcome(self) -> tuple[str, ...]:
        """The labels that tell bad units from good ones."""
        return _list_labels(matcher for matchers in self.outcomes for matcher in matchers)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels that any of its selectors asks for."""
        selectors = (self.total, *self.bad)
        return _list_labels(matcher for selector in selectors for matcher in selector.where)

    def reads(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series is one of it, and not just of the same query."""
        is_whole = self.kind == "shape" or self.has_own_total
        return is_whole or self.counts_units(labels) or self.counts_bad(labels)

    def counts_units(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series counts units of both kinds, or of one of them."""
        return self.total.matches(labels)

    def counts_bad(self, labels: Mapping[str, str]) -> bool:
        """Return whether every unit of a series is bad."""
        return any(outcome.matches(labels) for outcome in self.bad)

    def is_unlabelled(self, labels: Mapping[str, str]) -> bool:
        """Return whether nobody can tell if a series' units are bad."""
        if self.pairs is not None:
            return not (self.pairs.is_decided(labels) or self.pairs.is_tie(labels))
        if self.human is not None:
            return not self.human.is_known(labels)
        return not self.counts_bad(labels) and bool(self.find_missing_label(labels))

    def find_apart(self, labels: Mapping[str, str]) -> int | None:
        """Return the number of the further kind that a series' units are of.

        Of pairs 0 is a tie; of people's labels see `HumanLabels.find_cell`.
        """
        if self.human is not None:
            return self.human.find_cell(labels)
        return 0 if self.pairs is not None and self.pairs.is_tie(labels) else None

    def find_missing_label(self, labels: Mapping[str, str]) -> str:
        """Return a label without which nobody can tell whether a series' units are bad.

        Empty where it can be told by one of the selectors.
        """
        missing = [_find_missing(matchers, labels) for matchers in self.outcomes]
        return missing[0] if self.has_own_total and missing and all(missing) else ""


def _find_missing(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> str:
    names = (m.label for m in matchers if not (m.is_about_presence or labels.get(m.label)))
    return next(names, "")


def _without(matchers: Iterable[Matcher], others: Iterable[Matcher]) -> tuple[Matcher, ...]:
    return tuple(matcher for matcher in matchers if matcher not in set(others))


def _list_labels(matchers: Iterable[Matcher]) -> tuple[str, ...]:
    return tuple(sorted({matcher.label for matcher in matchers}))
