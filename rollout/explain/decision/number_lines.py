"""The recorded numbers of one guardrail as lines, for `why` and the page of a decision."""

from __future__ import annotations

from typing import Any

from rollout.decide.text.numbers import decimal, hundredths, points

_UNREADABLE = "  numbers    the recorded ones cannot be read"


def _format_sums(numbers: dict[str, Any]) -> list[str]:
    """Format the sums of a ratio; the counts are steps of the sum."""
    counts = (
        f"  sums       canary {numbers['canary_bad']:,} of {numbers['canary']:,} units, "
        f"stable {numbers['stable_bad']:,} of {numbers['stable']:,}"
    )
    if (ratio := numbers.get("ratio")) is None:
        return [counts]
    low, high = (numbers.get(key) for key in ("ratio_low", "ratio_high"))
    rough = "" if low is None else f", roughly {decimal(low)} to {decimal(high or 0.0)}"
    return [counts, f"  ratio      {decimal(ratio)} times stable's{rough}"]


def list_numbers(numbers: dict[str, Any]) -> list[str]:
    """Format a guardrail's numbers as lines; a journal may hold anything in their place."""
    try:
        return _format_numbers(numbers)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return [_UNREADABLE]


def _format_numbers(numbers: dict[str, Any]) -> list[str]:
    """Format a guardrail's recorded numbers as lines."""
    if numbers["words"] == "sum per unit":
        return _format_sums(numbers)
    if numbers["words"] == "share of pairs lost":
        return _format_pairs(numbers)
    if numbers["words"] == "exposures":
        counted = f"  counted    canary {numbers['canary']:,}, stable {numbers['stable']:,}"
        bad = numbers["canary_bad"], numbers["stable_bad"]
        return [f"{counted}; bad {bad[0]:,} and {bad[1]:,}" if any(bad) else counted]
    counts = (
        f"  bad        canary {numbers['canary_bad']:,} of {numbers['canary']:,}, "
        f"stable {numbers['stable_bad']:,} of {numbers['stable']:,}"
    )
    if numbers["edge"] is not None:
        edge, partner = decimal(numbers["edge"]), decimal(numbers["partner"])
        counts += f" (bad: beyond {edge}; allowed: stable's share beyond {partner})"
    if numbers["estimate"] is None:
        return [counts]
    low, high, allowed, stratified = (
        "unknown" if value is None else hundredths(value)
        for value in map(numbers.get, ("low", "high", "allowed", "mantel_haenszel"))
    )
    return [
        counts,
        (
            f"  difference {points(numbers['estimate'])} ({low} to {high}), allowed {allowed}; "
            f"{stratified} by Mantel & Haenszel"
        ),
        _format_evidence(numbers),
    ]


def _format_pairs(numbers: dict[str, Any]) -> list[str]:
    """Format decided pairs; shares are those of the canary's losses."""
    lost, won = numbers["canary_bad"], numbers["stable_bad"]
    counts = f"  pairs      the canary lost {lost:,} and won {won:,} of {numbers['canary']:,}"
    if numbers["estimate"] is None:
        return [counts]
    share, low, high, allowed = (
        f"{(0.5 + numbers[key]) * 100:.3g}" for key in ("estimate", "low", "high", "allowed")
    )
    return [
        counts,
        f"  lost       {share} % over both orders alike ({low} to {high}), allowed {allowed}",
        _format_evidence(numbers),
    ]


def _format_evidence(numbers: dict[str, Any]) -> str:
    return (
        f"  evidence   harm {_format_share(numbers['harm'])}, safety "
        f"{_format_share(numbers['safe'])} of what decides (on a log scale)"
    )


def list_segment_numbers(numbers: dict[str, Any]) -> list[str]:
    """Format a segment's numbers as lines; a journal may hold anything in their place."""
    try:
        return _format_segment(numbers)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return [_UNREADABLE]


def _format_segment(numbers: dict[str, Any]) -> list[str]:
    if (least := numbers.get("at_least")) is not None:
        few = "no units" if least == 1 else f"fewer than {least:,} units"
        return [f"  numbers    not told: {few} of a version"]
    if "suppressed" in numbers:
        return ["  numbers    not told: they would give away a segment with few units"]
    counts = (
        f"  bad        canary {numbers['canary_bad']:,} of {numbers['canary']:,}, "
        f"stable {numbers['stable_bad']:,} of {numbers['stable']:,}"
    )
    if numbers["estimate"] is None:
        return [counts]
    low, high = (
        "unknown" if value is None else hundredths(value)
        for value in (numbers["low"], numbers["high"])
    )
    return [
        counts,
        f"  difference {points(numbers['estimate'])} ({low} to {high})",
        f"  evidence   harm {_format_share(numbers['harm'])} of what decides (on a log scale)",
    ]


def list_goal_numbers(numbers: dict[str, Any]) -> list[str]:
    """Format a goal's numbers as lines; a journal may hold anything in their place."""
    try:
        return _format_goal(numbers)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return [_UNREADABLE]


def _format_goal(numbers: dict[str, Any]) -> list[str]:
    """Format one goal: counts, the difference, and the evidence alone and over all goals."""
    noun = "lost pairs" if numbers.get("of") == "pairs" else "bad"
    counts = (
        f"  {noun:10} canary {numbers['canary_bad']:,} of {numbers['canary']:,}, "
        f"stable {numbers['stable_bad']:,} of {numbers['stable']:,}"
    )
    rule = "  tests      better and worse at a margin of nothing, corrected for all goals (e-Holm)"
    if numbers["difference"] is None:
        return [counts, rule]
    low, high = hundredths(numbers["low"]), hundredths(numbers["high"])
    evidence = (
        f"{word} 10^{numbers[word]:.2f} alone, 10^{numbers[f'{word}_of_all']:.2f} over all goals"
        for word in ("better", "worse")
    )
    return [
        counts,
        f"  difference {points(numbers['difference'])} ({low} to {high})",
        f"  evidence   {'; '.join(evidence)}; 10^{numbers['needed']:.2f} concludes",
        rule,
    ]


def _format_share(value: float | None) -> str:
    return f"{(value or 0) * 100:,.0f} %"
