"""Charts of two versions side by side: shares of bad units by look, and how values lie.

Columns are as in the tables of the same names; None is unknown and leaves a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.charts.style import Columns, TimeAxis, palette, panels, percent, timed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERSIONS: dict[str, dict[str, Any]] = {
    "stable": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "canary": {"color": "#D55E00", "linestyle": "--", "marker": "s"},
}
"""Each version's line; both can be told apart without colour."""

_NAN = float("nan")


def to_numbers(column: Sequence[Any]) -> list[float]:
    """Return a column to draw: what is unknown is a gap."""
    return [_NAN if cell is None else float(cell) for cell in column]


def rates(
    guardrails: Mapping[str, Mapping[str, Columns]],
    *,
    steps: Columns,
    marks: Columns,
    title: str = "",
) -> Figure:
    """Plot each version's share of bad units by look, with each look's own 95 % interval.

    Columns by guardrail and version: seconds, share, low, high, units, what.
    """
    with panels(title, max(len(guardrails), 1), 1.75) as (figure, axes):
        times = timed(axes, steps, marks)
        for panel, (name, versions) in zip(axes, guardrails.items(), strict=False):
            for version, columns in versions.items():
                _draw_rate(panel, times, version, columns)
            panel.set_title(_describe(name, versions), loc="left", pad=16)
            percent(panel, symbol=" %")
            panel.set_ylim(0, _find_top(versions))
            if all(share is None for own in versions.values() for share in own["share"]):
                say(panel, "nothing was counted")
        if not guardrails:
            say(axes[0], "nothing was counted")
    return figure


def _find_top(versions: Mapping[str, Columns]) -> float:
    """Return a height that shows every share; the intervals of small looks may be cut off."""
    shares = [share for own in versions.values() for share in own["share"] if share is not None]
    highs = sorted(high for own in versions.values() for high in own["high"] if high is not None)
    usual = highs[len(highs) // 2] if highs else 0.0
    return min(1.05 * float(max([*shares, usual, 1e-4])), 1.02)


def _draw_rate(axes: Axes, times: TimeAxis, version: str, columns: Columns) -> None:
    at, style = times.of(columns["seconds"]), VERSIONS[version]
    low, high = to_numbers(columns["low"]), to_numbers(columns["high"])
    axes.fill_between(at, low, high, color=style["color"], alpha=0.22, linewidth=0,
                      label=f"{version}: each look's own 95 % interval")  # fmt: skip
    axes.plot(at, to_numbers(columns["share"]), label=version, **style)


def _describe(name: str, versions: Mapping[str, Columns]) -> str:
    what = next((columns["what"][-1] for columns in versions.values() if columns["what"]), "")
    return f"{name}: {what} ({_count_units(versions)})"


def _count_units(versions: Mapping[str, Columns]) -> str:
    return ", ".join(f"{sum(own['units']):,} of {version}" for version, own in versions.items())


def distributions(
    guardrails: Mapping[str, Mapping[str, Columns]],
    quantiles: Mapping[str, Mapping[str, Columns]],
    title: str = "",
    empty: str = "no guardrail counts values in buckets",
) -> Figure:
    """Plot which share of values is at most so large, and the brackets of their quantiles.

    Columns by guardrail and version: up_to, share_up_to, units; of `quantiles`: quantile, above,
    up_to. A bracket spans the bucket in which the quantile lies. `empty`
    says why there is nothing.
    """
    with panels(title, max(len(guardrails), 1), 2.4, shared=False) as (figure, axes):
        for panel, (name, versions) in zip(axes, guardrails.items(), strict=False):
            for version, columns in versions.items():
                _draw_distribution(panel, version, columns)
                _draw_quantiles(panel, version, quantiles.get(name, {}).get(version))
            heading = f"{name}: share of values up to ({_count_units(versions)})"
            panel.set_title(heading, loc="left", pad=6)
            percent(panel, symbol=" %")
            panel.set_ylim(0, 1.02)
            if span := _find_span(versions):
                panel.set_xlim(*span)
        if not guardrails:
            say(axes[0], empty)
            axes[0].set_xticks([])
    return figure


def _draw_distribution(axes: Axes, version: str, columns: Columns) -> None:
    rows = [
        (edge, share)
        for edge, share in zip(columns["up_to"], columns["share_up_to"], strict=True)
        if edge is not None
    ]
    style = {**VERSIONS[version], "marker": ""}
    axes.step([x for x, _ in rows], [y for _, y in rows], where="post", label=version, **style)


def _find_span(versions: Mapping[str, Columns]) -> tuple[float, float] | None:
    """Return between which edges both versions have all but a thousandth of their values."""
    inside = [
        edge
        for columns in versions.values()
        for edge, share in zip(columns["up_to"], columns["share_up_to"], strict=True)
        if edge is not None and 0.001 <= share <= 0.999
    ]
    if not inside or min(inside) == max(inside):
        return None
    room = 0.08 * (max(inside) - min(inside))
    return min(inside) - room, max(inside) + room


def _draw_quantiles(axes: Axes, version: str, columns: Columns | None) -> None:
    if columns is None:
        return
    offset = 0.012 if version == "canary" else -0.012
    for quantile, low, high in zip(
        columns["quantile"], columns["above"], columns["up_to"], strict=True
    ):
        if low is not None and high is not None:
            axes.plot(
                [low, high], [quantile + offset] * 2, color=VERSIONS[version]["color"],
                linewidth=4, alpha=0.6, solid_capstyle="butt", marker="",
                label=f"{version}: bracket of a quantile",
            )  # fmt: skip


def shares(of: Mapping[str, Columns], *, steps: Columns, marks: Columns, title: str = "") -> Figure:
    """Plot the canary's share against the expected one: of requests, and of labels.

    Columns: seconds, share, expected, evidence, needed, units.
    """
    with panels(title, max(len(of), 1), 1.75) as (figure, axes):
        times = timed(axes, steps, marks)
        for panel, (name, columns) in zip(axes, of.items(), strict=False):
            at = times.of(columns["seconds"])
            panel.plot(at, to_numbers(columns["share"]), label="the canary's share", marker="o",
                       color=palette().ink)  # fmt: skip
            panel.plot(at, to_numbers(columns["expected"]), label="expected by the weight",
                       color=palette().limit, linestyle="--")  # fmt: skip
            last = columns["evidence"][-1], columns["needed"][-1]
            panel.set_title(
                f"{name}: {columns['units'][-1]:,} counted; evidence of a mismatch "
                f"{10 ** min(last[0], 9):.2g} of {10 ** last[1]:,.0f}",
                loc="left",
                pad=16,
            )
            percent(panel, symbol=" %")
            panel.set_ylim(bottom=0)
        if not of:
            say(axes[0], "no look tested the share of traffic")
    return figure


def say(axes: Axes, words: str) -> None:
    """Write why there is nothing to draw, in place of a drawing."""
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)
    axes.set_yticks([])
