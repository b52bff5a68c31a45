"""Texts about a guardrail's measurement: what the plan allows, and the difference in points.

Points are percentage points of the share of bad units. What the plan declares comes first, in the
plan's own unit; the points at a bucket edge are the test's own number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.decide.text.numbers import decimal, hundredths, points
from rollout.plan.fields.units import percent

if TYPE_CHECKING:  # `surefoot check` describes plans without importing numpy
    from analysis.dispersion.estimate import Dispersion
    from analysis.verdict.readout import Readout
    from analysis.verdict.verdict import Judgement
    from rollout.plan.model.guardrail import Guardrail

NEAR = 0.5
"""Share of a rollback's evidence of harm, in logs, above which no weight is raised."""
_NOTICED = 0.005  # share of a rollback's evidence below which no guardrail is worth naming


def allowance(guardrail: Guardrail) -> str:
    """Describe how much worse the plan allows: `10 % slower`, `0.02 lower`, `1 point above ...`."""
    source, margin = guardrail.source, guardrail.margin
    if margin is not None:
        if margin.ratio == 1:
            return f"{points(margin.absolute)} above stable"
        plus = f" plus {points(margin.absolute)}" if margin.absolute else ""
        return f"{decimal(margin.ratio)} times stable's{plus}"
    high = "slower" if source.unit == "ms" else "higher"
    return f"{_format_tolerance(guardrail, guardrail.tolerance or 0.0)} " + (
        high if source.worse == "high" else "lower"
    )


def bad_units(guardrail: Guardrail, readout: Readout) -> str:
    """Describe the units that count as bad: `failed requests`, `requests slower than 120 ms`."""
    source = guardrail.source
    if readout.edge is None:
        return f"bad {source.unit}" if source.kind == "rate" else source.unit
    edge = decimal(readout.edge)
    if source.unit == "ms":
        return f"requests slower than {edge} ms"
    return f"{source.unit}s of {edge} or {'more' if source.worse == 'high' else 'less'}"


def difference(readout: Readout) -> str:
    """Describe a measured difference: `3.5 points above stable (2.1 to 4.9, allowed 1)`."""
    if readout.estimate is None:
        return "nothing measured yet"
    side = "below" if readout.estimate < 0 else "above"
    details = []
    if readout.low is not None and readout.high is not None:
        details.append(f"{hundredths(readout.low)} to {hundredths(readout.high)}")
    if readout.allowed is not None:
        details.append(f"allowed {hundredths(readout.allowed)}")
    text = f"{points(abs(readout.estimate))} {side} stable"
    return f"{text} ({', '.join(details)})" if details else text


def measured(guardrail: Guardrail, readout: Readout) -> str:
    """Describe a measurement without a verdict."""
    if readout.estimate is None:
        return f"{guardrail.name}: nothing measured yet"
    return f"{guardrail.name}: {bad_units(guardrail, readout)} {difference(readout)}"


def harmed(guardrail: Guardrail, readout: Readout) -> str:
    """Describe shown harm: `latency more than 10 % slower: requests slower than 120 ms ...`."""
    worse = f"{guardrail.name} more than {allowance(guardrail)}"
    return f"{worse}: {bad_units(guardrail, readout)} {difference(readout)}"


def unproven(guardrail: Guardrail, readout: Readout) -> str:
    """Describe a guardrail whose safety is not shown yet, and how much evidence there is."""
    share = f"{min(readout.safe or 0.0, 0.99) * 100:.0f} % of the evidence"
    if readout.estimate is None:
        return f"{guardrail.name}: nothing measured yet"
    off = off_edge(guardrail, readout)
    text = f"not proven yet to be at most {allowance(guardrail)} ({share})"
    now = f"{bad_units(guardrail, readout)} {difference(readout)}"
    return f"{guardrail.name} {text}: {now}{f'; {off}' if off else ''}"


def proven(guardrail: Guardrail, readout: Readout) -> str:
    """Describe shown safety: `errors at most 0.89 points above stable (allowed 1)`."""
    name = guardrail.name
    if readout.high is None or readout.allowed is None:
        return f"{name} at most {allowance(guardrail)}"
    above = readout.high >= 0
    bound = f"at most {points(readout.high)} above" if above else f"{points(-readout.high)} below"
    bound = f"{bound if above else f'at least {bound}'} stable"
    allowed = f"allowed {hundredths(readout.allowed)}{'' if above else ' above'}"
    if guardrail.margin is None:
        where = bad_units(guardrail, readout)
        return f"{name} at most {allowance(guardrail)} ({where}: {bound}, {allowed})"
    rule = "" if guardrail.margin.ratio == 1 else f": {allowance(guardrail)}"
    return f"{name} {bound} ({allowed}{rule})"


def closest(judgement: Judgement) -> str:
    """Name the guardrail with the most evidence of harm; empty where there is hardly any."""
    name, readout = max(judgement.readouts.items(), key=lambda item: item[1].harm)
    if readout.harm < _NOTICED:
        return ""
    return f" (closest: {name}, {readout.harm * 100:.0f} % of the evidence for a rollback)"


def nearness(judgement: Judgement) -> str:
    """Describe evidence of harm that is close to a rollback's, and what it must fall to."""
    return (
        f"{judgement.joint_share * 100:.0f} % of the evidence for a rollback is there"
        f"{closest(judgement)}, and a step up asks for at most {percent(NEAR)}"
    )


def off_edge(guardrail: Guardrail, readout: Readout) -> str:
    """Explain which tolerance the buckets can prove; empty where an edge expresses the plan's."""
    tolerance, relative = guardrail.tolerance, guardrail.source.relative
    if tolerance is None or readout.edge is None or readout.partner is None:
        return ""
    gap = abs(readout.edge - readout.partner)
    provable = gap / min(readout.edge, readout.partner) if relative else gap
    if provable > tolerance * 0.99:
        return ""
    wanted, instead = (_format_tolerance(guardrail, value) for value in (tolerance, provable))
    return f"no bucket edge lies {wanted} from {decimal(readout.edge)}, so {instead} must be proven"


def spread(dispersion: Dispersion) -> str:
    """Describe how pods differ: rates relative to their mean, shares beyond an edge in probits."""
    return (
        f"bad units in bursts of {decimal(dispersion.cluster)}, pods that differ for good by "
        f"{decimal(dispersion.lasting**0.5)} sd ({dispersion.pods_stable} pods of stable, "
        f"{dispersion.pods_canary} of the canary, {dispersion.ticks:,} looks)"
    )


def _format_tolerance(guardrail: Guardrail, tolerance: float) -> str:
    return percent(tolerance) if guardrail.source.relative else decimal(tolerance)
