"""Texts about a guardrail's measurement: the difference in points, and what is allowed."""

from __future__ import annotations

from analysis.dispersion.estimate import Dispersion
from analysis.histograms.alternatives import HistogramTolerance
from analysis.verdict.readout import Readout
from analysis.verdict.verdict import Judgement
from rollout.plan.fields.units import percent


def measured(name: str, readout: Readout) -> str:
    """Describe a measured difference: `errors +3.5 pp (2.1 to 4.9), allowed +1.0`."""
    if readout.estimate is None:
        return f"{name}: nothing measured yet"
    interval = ""
    if readout.low is not None and readout.high is not None:
        interval = f" ({readout.low * 100:+.2f} to {readout.high * 100:+.2f})"
    allowed = "" if readout.allowed is None else f", allowed {readout.allowed * 100:+.2f}"
    return f"{name}{_describe_edge(readout)} {readout.estimate * 100:+.2f} pp{interval}{allowed}"


def bound(name: str, readout: Readout) -> str:
    """Describe a proven bound: `errors at most +0.9 of +1.0 pp`."""
    if readout.high is None or readout.allowed is None:
        return name
    most, allowed = readout.high * 100, readout.allowed * 100
    return f"{name}{_describe_edge(readout)} at most {most:+.2f} of {allowed:+.2f} pp"


def closest(judgement: Judgement) -> str:
    """Name the guardrail with the most evidence of harm; empty where there is hardly any."""
    name, readout = max(judgement.readouts.items(), key=lambda item: item[1].harm)
    if readout.harm < 0.005:
        return ""
    return f", {name} comes closest with {readout.harm * 100:.0f} % of a rollback's evidence"


def off_edge(tolerance: HistogramTolerance | None, readout: Readout) -> str:
    """Explain which tolerance the buckets can prove; empty where an edge expresses the plan's."""
    if tolerance is None or readout.edge is None or readout.partner is None:
        return ""
    gap = abs(readout.edge - readout.partner)
    proven = gap / min(readout.edge, readout.partner) if tolerance.relative else gap
    if proven > tolerance.tolerance * 0.99:
        return ""
    gaps = [percent(t) if tolerance.relative else f"{t:.3g}" for t in (tolerance.tolerance, proven)]
    return f"no bucket edge lies {gaps[0]} from {readout.edge:.4g}: {gaps[1]} must be proven"


def spread(dispersion: Dispersion) -> str:
    """Describe how pods differ: rates relative to their mean, shares beyond an edge in probits."""
    return (
        f"bad units in bursts of {dispersion.cluster:.3g}, pods that differ for good by "
        f"{dispersion.lasting**0.5:.2g} sd ({dispersion.pods_stable} pods of stable, "
        f"{dispersion.pods_canary} of the canary, {dispersion.ticks} looks)"
    )


def _describe_edge(readout: Readout) -> str:
    if readout.edge is None:
        return ""
    side = "at or below" if "below" in readout.words else "above"
    return f" {side} {readout.edge:.3g}"
