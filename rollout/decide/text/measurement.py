"""Texts about a guardrail's measurement: what the plan allows, and the difference in points.

Points are percentage points of the share of bad units. What the plan declares comes first, in the
plan's own unit; the points at a bucket edge are the test's own number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.decide.text.kinds.pairs import allow_pairs, measure_pairs, prove_pairs
from rollout.decide.text.kinds.unweighed import await_unweighed, conclude, measure, show_only
from rollout.decide.text.numbers import decimal, hundredths, points
from rollout.plan.fields.units import percent

if TYPE_CHECKING:  # `surefoot check` describes plans without importing numpy
    from analysis.dispersion.dispersion import Dispersion
    from analysis.verdict.readout import Readout
    from rollout.plan.fields.metric import DeclaredMetric
    from rollout.plan.model.guardrail import Guardrail
    from rollout.plan.model.limits import Margin

NEAR = 0.5
"""Share of a rollback's evidence of harm, in logs, above which no weight is raised."""


def allowance(guardrail: Guardrail) -> str:
    """Describe how much worse the plan allows: `10 % slower`, `0.02 lower`, `1 point above ...`."""
    metric = guardrail.metric
    if guardrail.times is not None:
        return f"{decimal(guardrail.times)} times stable's {metric.unit} {metric.of_one}"
    if guardrail.never is not None:
        return f"{guardrail.never.count - 1:,} bad {metric.unit}"
    if guardrail.bound is not None:
        what = f"{name_units(metric)} {beyond(metric)}" if guardrail.beyond else ""
        return f"{percent(guardrail.bound)} {what or f'bad {metric.unit}'}"
    if metric.pairs is not None:
        return allow_pairs(guardrail)
    if guardrail.bad_margin is not None:
        of_share = f" in the share {beyond(metric)}" if guardrail.beyond else ""
        return f"{_format_margin(guardrail.bad_margin)}{of_share}"
    high = "slower" if metric.is_time else "higher"
    return f"{_format_tolerance(guardrail, guardrail.tolerance or 0.0)} " + (
        high if metric.worse == "high" else "lower"
    )


def describe_allowed(guardrail: Guardrail) -> str:
    """Describe what a plan allows: `at most 10 % slower`, or that it bounds nothing."""
    is_bound = guardrail.metric.is_evidence or guardrail.times is not None
    return f"at most {allowance(guardrail)}" if is_bound else show_only(guardrail)


def _format_margin(margin: Margin) -> str:
    if margin.ratio == 1:
        return f"{points(margin.absolute)} above stable"
    plus = f" plus {points(margin.absolute)}" if margin.absolute else ""
    return f"{decimal(margin.ratio)} times stable's{plus}"


def beyond(metric: DeclaredMetric) -> str:
    """Describe what is beyond a metric's edge: `slower than 250 ms`, `of 0.6 or less`."""
    edge = metric.spell(metric.edge or 0.0)
    if metric.worse == "low":
        return f"of {edge} or less"
    return f"{'slower than' if metric.is_time else 'above'} {edge}"


def _shares(guardrail: Guardrail, readout: Readout) -> str:
    """Describe both versions' shares beyond an edge.

    `1.9 % of the canary's requests took longer than 250 ms, stable's 1.1 %`.
    """
    metric = guardrail.metric
    canary, stable = (
        percent(float(f"{bad / max(units, 1):.3g}"))
        for bad, units in (
            (readout.canary_bad, readout.canary),
            (readout.stable_bad, readout.stable),
        )
    )
    return f"{canary} of the canary's {name_units(metric)} {_happen(metric)}, stable's {stable}"


def name_units(metric: DeclaredMetric) -> str:
    """Name the units that a metric counts, in the plural."""
    return "requests" if metric.is_time else _plural(metric.unit)


def _plural(unit: str) -> str:
    return unit if unit.endswith("s") else f"{unit}s"


def name_bad(metric: DeclaredMetric) -> str:
    """Say which units are bad: `requests are bad`, or what lies beyond the metric's edge."""
    if metric.edge is None:
        return f"{_plural(metric.unit)} are bad"
    return f"{name_units(metric)} {_happen(metric)}"


def _happen(metric: DeclaredMetric) -> str:
    """Say of units that they are beyond the edge: `took longer than 250 ms`."""
    edge = metric.spell(metric.edge or 0.0)
    if metric.worse == "low":
        return f"were {edge} or less"
    return f"{'took longer than' if metric.is_time else 'were above'} {edge}"


def _now(guardrail: Guardrail, readout: Readout) -> str:
    """Describe what is measured of units that are bad, or beyond an edge."""
    if guardrail.metric.pairs is not None:
        return measure_pairs(guardrail, readout)
    if guardrail.bound is not None:
        return f"{_share_alone(guardrail, readout)}"
    if guardrail.beyond is not None:
        return f"{_shares(guardrail, readout)}; {difference(readout)}"
    return f"{bad_units(guardrail, readout)} {difference(readout)}"


def _share_alone(guardrail: Guardrail, readout: Readout) -> str:
    """Describe the canary's own share: `1.9 % of its requests are bad (1.2 to 2.7, allowed 2)`."""
    share = percent(float(f"{readout.canary_bad / max(readout.canary, 1):.3g}"))
    bounds = ""
    if readout.low is not None and readout.high is not None:
        bounds = f"{hundredths(max(readout.low, 0.0))} to {hundredths(readout.high)}, "
    allowed, metric = hundredths(guardrail.bound or 0.0), guardrail.metric
    if guardrail.beyond is not None:
        happened = f"{name_units(metric)} {_happen(metric)}"
    else:
        happened = f"{metric.unit} are bad"
    return f"{share} of the canary's {happened} ({bounds}allowed {allowed})"


def _allowed(guardrail: Guardrail) -> str:
    """Describe what is allowed where the measured shares are told with it."""
    margin = guardrail.beyond.margin if guardrail.beyond else None
    return _format_margin(margin) if margin else allowance(guardrail)


def bad_units(guardrail: Guardrail, readout: Readout) -> str:
    """Describe the units that count as bad: `failed requests`, `requests slower than 120 ms`."""
    metric = guardrail.metric
    if readout.edge is None:
        return f"bad {metric.unit}" if metric.kind == "rate" else metric.unit
    edge = decimal(readout.edge)
    if metric.is_time:
        return f"requests slower than {edge} {metric.unit}"
    return f"{_plural(metric.unit)} of {edge} or {'more' if metric.worse == 'high' else 'less'}"


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


def counted(guardrail: Guardrail, readout: Readout) -> str:
    """Describe what must not happen: `1 of the canary's 3,215 outputs is bad`."""
    bad, unit = readout.canary_bad, guardrail.metric.unit
    verb = "is" if bad == 1 else "are"
    return (
        f"{bad or 'none':{',' if bad else ''}} of the canary's {readout.canary:,} {unit} {verb} bad"
    )


def measured(guardrail: Guardrail, readout: Readout) -> str:
    """Describe a measurement without a verdict."""
    if not guardrail.metric.is_evidence:
        return f"{guardrail.name}: {measure(guardrail, readout)}"
    if readout.estimate is None and guardrail.metric.pairs is None:
        return f"{guardrail.name}: {_uncompared(guardrail, readout)}"
    return f"{guardrail.name}: {_now(guardrail, readout)}"


def _uncompared(guardrail: Guardrail, readout: Readout) -> str:
    """Say which version nothing is counted of: `nothing to compare: 896 requests of the canary`."""
    if not readout.canary and not readout.stable:
        return "nothing measured yet"
    unit = guardrail.metric.unit if guardrail.metric.kind == "rate" else "values"
    return (
        f"nothing to compare yet: {readout.canary:,} {unit} of the canary are counted, "
        f"{readout.stable:,} of stable"
    )


def harmed(guardrail: Guardrail, readout: Readout) -> str:
    """Describe shown harm: `latency more than 10 % slower: requests slower than 120 ms ...`."""
    if guardrail.never is not None:
        most = guardrail.never.count - 1
        allowed = f"at most {most:,}" if most else "none"
        return f"{guardrail.name}: {counted(guardrail, readout)}; this guardrail allows {allowed}"
    worse = f"{guardrail.name} more than {_allowed(guardrail)}"
    return f"{worse}: {_now(guardrail, readout)}"


def unproven(guardrail: Guardrail, readout: Readout) -> str:
    """Describe a guardrail whose safety is not shown yet, and how much evidence there is."""
    if not guardrail.metric.is_evidence:
        return await_unweighed(guardrail, readout)
    share = f"{min(readout.safe or 0.0, 0.99) * 100:.0f} % of the evidence"
    if readout.estimate is None and guardrail.metric.pairs is None:
        return f"{guardrail.name}: {_uncompared(guardrail, readout)}"
    off = off_edge(guardrail, readout)
    text = f"not proven yet to be at most {_allowed(guardrail)} ({share})"
    return f"{guardrail.name} {text}: {_now(guardrail, readout)}{f'; {off}' if off else ''}"


def proven(guardrail: Guardrail, readout: Readout) -> str:
    """Describe shown safety: `errors at most 0.89 points above stable (allowed 1)`."""
    name = guardrail.name
    if not guardrail.metric.is_evidence or guardrail.metric.pairs is not None:
        own = conclude if guardrail.metric.pairs is None else prove_pairs
        return own(guardrail, readout)
    if guardrail.never is not None:
        return f"{name}: {counted(guardrail, readout)}"
    if readout.high is None or readout.allowed is None:
        return f"{name} at most {allowance(guardrail)}"
    above = readout.high >= 0
    bound = f"at most {points(readout.high)} above" if above else f"{points(-readout.high)} below"
    bound = f"{bound if above else f'at least {bound}'} stable"
    allowed = f"allowed {hundredths(readout.allowed)}{'' if above else ' above'}"
    if guardrail.bound is not None:
        return f"{name}: {_share_alone(guardrail, readout)}"
    if guardrail.bad_margin is None:
        where = bad_units(guardrail, readout)
        return f"{name} at most {allowance(guardrail)} ({where}: {bound}, {allowed})"
    rule = "" if guardrail.bad_margin.ratio == 1 else f": {_allowed(guardrail)}"
    now = f"; {_shares(guardrail, readout)}" if guardrail.beyond else ""
    return f"{name} {bound} ({allowed}{rule}{now})"


def off_edge(guardrail: Guardrail, readout: Readout) -> str:
    """Explain which tolerance the buckets can prove; empty where an edge expresses the plan's."""
    tolerance, relative = guardrail.tolerance, guardrail.metric.relative
    if tolerance is None or readout.edge is None or readout.partner is None:
        return ""
    gap = abs(readout.edge - readout.partner)
    provable = gap / min(readout.edge, readout.partner) if relative else gap
    if provable > tolerance * 0.99:
        return ""
    wanted, instead = (_format_tolerance(guardrail, value) for value in (tolerance, provable))
    return f"no bucket edge lies {wanted} from {decimal(readout.edge)}, so {instead} must be proven"


def spread(dispersion: Dispersion) -> str:
    """Describe how pods differ: rates relative to their mean, shares beyond an edge in probits.

    Where only totals are known, it describes how they vary, and what that asks of harm.
    """
    if dispersion.by == "totals":
        return _describe_totals(dispersion)
    return (
        f"bad units in bursts of {decimal(dispersion.cluster)}, pods that differ for good by "
        f"{decimal(dispersion.lasting**0.5)} sd ({dispersion.pods_stable} pods of stable, "
        f"{dispersion.pods_canary} of the canary, {dispersion.ticks:,} looks)"
    )


def _describe_totals(dispersion: Dispersion) -> str:
    looks = f"{dispersion.ticks:,} looks of stable"
    if dispersion.is_calm:
        return f"bad units that come one by one, as in {looks}"
    parts = [f"bad units in bursts of {decimal(dispersion.cluster)}"]
    if dispersion.inflation > dispersion.cluster:
        parts.append(f"totals that vary {decimal(dispersion.inflation)} times as independent ones")
    if dispersion.trouble:
        parts.append(f"troubles of up to {dispersion.trouble} looks, which harm must outlast")
    return f"{', '.join(parts)}, as in {looks}"


def _format_tolerance(guardrail: Guardrail, tolerance: float) -> str:
    return percent(tolerance) if guardrail.metric.relative else decimal(tolerance)
