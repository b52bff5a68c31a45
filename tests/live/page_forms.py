"""The forms that pages have: outcomes by label, two counters, or values; all count alike."""

from __future__ import annotations

from tests.live.expositions import RATE, SHAPE, Exposition, Json, Two, buckets

# Each version's labels are `labels.format(version)`; of 60 and 10 units 3 and 4 are bad.
STABLE, CANARY = (60, 3), (10, 4)


def rate(
    template: str,
    series: str,
    labels: str,
    outcomes: tuple[str, ...],
    *,
    own: Json | None = None,
    versions: tuple[str, str] = ("v1", "v2"),
) -> Exposition:
    """A counter whose labels tell outcomes: the first is good, the bad are among all others."""
    rows = {}
    for version, (units, bad) in zip(versions, (STABLE, CANARY), strict=True):
        good, *others = (
            f"{series}{{{','.join(filter(None, (labels.format(version), outcome)))}}}"
            for outcome in outcomes
        )
        rows[good] = units - bad
        rows |= dict.fromkeys(others, 0)
        rows[others[0]] = bad
    return _build(template, RATE, rows, own, versions)


def apart(
    template: str,
    names: tuple[str, str],
    labels: str,
    reason: str = "",
    *,
    more: str = "",
) -> Exposition:
    """Two counters: of bad units, whose labels say more, and of all; `more` stands beside."""
    rows = {}
    for version, (units, bad) in zip(("v1", "v2"), (STABLE, CANARY), strict=True):
        of = labels.format(version)
        rows[f"{names[0]}{{{','.join(filter(None, (of, reason)))}}}"] = bad
        rows[f"{names[1]}{{{of}}}"] = units
        if more:
            rows[f"{names[0]}{{{of},{more}}}"] = 1
    return _build(template, RATE, rows, None)


def sums(
    template: str,
    names: tuple[str, str],
    labels: str,
    *,
    own: Json | None = None,
    step: float = 1.0,
) -> Exposition:
    """Two counters: of what is added up, in steps, and of what it is divided by."""
    rows: dict[str, float] = {}
    for version, (units, added) in zip(("v1", "v2"), (STABLE, CANARY), strict=True):
        rows[f"{names[0]}{{{labels.format(version)}}}"] = 100 * added * step
        rows[f"{names[1]}{{{labels.format(version)}}}"] = units
    guardrail = {"name": "it", "template": template} | ({"labels": own} if own else {})
    canary, stable = ((units, 100 * added) for units, added in (CANARY, STABLE))
    return Exposition(guardrail, rows, canary, stable)


def exposures(template: str, series: str, labels: str) -> Exposition:
    """A counter of who was sent where."""
    units = dict(zip(("v1", "v2"), (STABLE[0], CANARY[0]), strict=True))
    rows = {f"{series}{{{labels.format(version)}}}": n for version, n in units.items()}
    guardrail = {"name": "it", "template": template}
    return Exposition(guardrail, rows, (CANARY[0], 0), (STABLE[0], 0))


def values(
    template: str,
    series: str,
    labels: str,
    *,
    own: Json | None = None,
    versions: tuple[str, str] = ("v1", "v2"),
    limit: Json = SHAPE,
) -> Exposition:
    """A histogram; the bad values are beyond the only finite edge."""
    rows: dict[str, int] = {}
    for version, (units, bad) in zip(versions, (STABLE, CANARY), strict=True):
        rows |= buckets(series, labels.format(version), {"0.5": units - bad, "+Inf": units})
    return _build(template, limit, rows, own, versions)


def _build(
    template: str,
    limit: Json,
    rows: dict[str, int],
    own: Json | None,
    versions: tuple[str, str] = ("v1", "v2"),
) -> Exposition:
    arms: tuple[Two, Two] = CANARY, STABLE
    guardrail = limit | {"template": template} | ({"labels": own} if own else {})
    names = ("v1", "v2") if own and "arms" in own else versions
    return Exposition(guardrail, rows, *arms, *names)
