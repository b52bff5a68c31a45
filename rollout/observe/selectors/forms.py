"""Reads each histogram in one form where Prometheus has two: native, or with classic buckets.

An exporter may be scraped in both, and a change of either comes target by target. So each series
goes on in the form in which it was counted as long as that has new samples, and else in the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rollout.observe.matrix import Item, is_native

_LIVE = 2.0  # scrapes for which a form may be silent that goes on

Groups = Mapping[str, Sequence[Item]]
"""The items of one version by series."""


@dataclass
class _Forms:
    """The items of one series by form, native or not, and the newest time of each."""

    items: dict[bool, list[Item]] = field(default_factory=dict)
    newest: dict[bool, float] = field(default_factory=dict)

    @classmethod
    def of(cls, group: Sequence[Item]) -> _Forms:
        forms = cls()
        for item in group:
            form = is_native(item)
            forms.items.setdefault(form, []).append(item)
            times = [at for at, _ in item.histograms or item.values or ()]
            forms.newest[form] = max([*times, forms.newest.get(form, -math.inf)])
        return forms

    def find_newest(self, form: bool) -> float:
        """Return the newest time of a form."""
        return self.newest.get(form, -math.inf)


def keep_one_form(
    arms: Sequence[Groups], scrape: float, *, was_native: bool, may_differ: bool
) -> list[Groups]:
    """Return the series of each version in one form, that in which all go on, if there is one.

    Where there are two, it is the one that was counted so far. Without any, each series has its
    own. One that has ended and has another is left out, unless forms `may_differ`. `scrape` is in
    seconds.
    """
    if not any(is_native(item) for groups in arms for group in groups.values() for item in group):
        return [*arms]
    forms = [{key: _Forms.of(group) for key, group in groups.items()} for groups in arms]
    every = [own for of_arm in forms for own in of_arm.values()]
    since = max(max(own.newest.values()) for own in every) - _LIVE * scrape
    going = [own for own in every if max(own.newest.values()) >= since]
    order = (was_native, not was_native)
    common = next(
        (form for form in order if all(own.find_newest(form) >= since for own in going)), None
    )
    return [_take(of_arm, order, common, may_differ=may_differ) for of_arm in forms]


def _take(
    forms: Mapping[str, _Forms], order: Sequence[bool], common: bool | None, *, may_differ: bool
) -> Groups:
    """Return the series of one version, each in the common form if it has that."""
    groups: dict[str, Sequence[Item]] = {}
    for key, own in forms.items():
        if common in own.items:
            groups[key] = own.items[bool(common)]
        elif common is None or may_differ:
            groups[key] = own.items[max(order, key=own.find_newest)]
    return groups
