"""Formats each block's rows as a table."""

from __future__ import annotations

import numpy as np

from benchmarks.quality import against, detection, kinds, rollback
from benchmarks.quality.engines import ENGINES, INDEPENDENT
from benchmarks.quality.layout import grouped, number, table
from benchmarks.quality.rules import RULES
from benchmarks.quality.runs import Row


def of_rollback(rows: list[Row], alpha: float) -> str:
    """Format block 1: worst share, over base rates for engines, over all cells for peers."""
    chosen = [row for row in rows if row["alpha"] == alpha]
    head = ["scenario", *(f"{name} {rate:g}" for name in ENGINES for rate in rollback.RATES)]
    body = []
    for (scenario,), group in grouped(chosen, "scenario"):
        ours = [
            _format_worst([r for r in group if r["rule"] == name and r["rate"] == rate])
            for name in ENGINES
            for rate in rollback.RATES
        ]
        peers = [_format_worst([r for r in group if r["rule"] == name]) for name in RULES]
        body.append([scenario, *ours, *peers])
    runs = chosen[0]["runs"]
    return table(
        f"1. False rollback at alpha {alpha}, 240 looks: worst over base .1, 1, 5 %; ours per rps, "
        f"peers over all ({runs} runs a cell, {_describe_error(chosen)})",
        [*head, *RULES],
        body,
    )


def _format_worst(rows: list[Row]) -> str:
    worst = max(rows, key=lambda row: row["false_rollback"])
    refused = float(np.mean([row["refused"] for row in rows]))
    return f"{worst['false_rollback']:.3f}" + (f" ({refused:.0%} refused)" if refused else "")


def of_detection(rows: list[Row]) -> str:
    """Format block 2: mean requests over the bound and over the SPRT that knows the effect."""
    names = [*ENGINES, detection.CLAIRVOYANT]
    body = []
    for (base, theta, weight), group in grouped(rows, "base", "theta", "weight"):
        by = {row["rule"]: row for row in group}
        body.append([
            f"{base:.1%}, {theta:g}x, weight {weight:.0%}", f"{group[0]['bound']:.0f}",
            *(f"{by[n]['over_bound']:.2f} +- {by[n]['error']:.2f}" for n in names),
            *(f"{by[n]['over_sprt']:.2f} +- {by[n]['over_sprt_error']:.2f}" for n in ENGINES),
        ])  # fmt: skip
    head = [
        "base, effect",
        "bound",
        *(f"{n}/bound" for n in names),
        *(f"{n}/SPRT" for n in ENGINES),
    ]
    return table(
        f"2. Canary requests to detection at alpha {detection.ALPHA}, independent errors "
        f"({rows[0]['runs']} runs a cell)",
        head,
        body,
    )


def of_contest(rows: list[Row]) -> str:
    """Format block 3: our requests over each peer's, documented and oracle's limit."""
    compared = against.compared(rows)
    ratios = {
        (row["rate"], row["base"], row["theta"], row["rule"], row["limit"]): row["ratio"]
        for row in compared
    }
    unsure = max((row["ratio_error"] for row in compared if 0 < row["ratio"] < np.inf), default=0)
    body = []
    for (rate, base, theta), group in grouped(rows, "rate", "base", "theta"):
        mine = next(row for row in group if row["rule"] == INDEPENDENT)
        cells = [
            " | ".join(
                _format_ratio(ratios.get((rate, base, theta, name, which)))
                for which in ("documented", "oracle")
            )
            for name in RULES
        ]
        body.append([f"{rate:g} rps, {base:.1%}, {theta:g}x", number(mine["requests"]),
                     f"{mine['power']:.2f}", number(mine["known"]), *cells])  # fmt: skip
    false = [_format_mean_false(rows, name) for name in RULES]
    body.append(["mean false rollback", "", _format_mean_false(rows, INDEPENDENT), "", *false])
    return table(
        f"3. {INDEPENDENT}'s requests over a peer's, documented | oracle's limit; medians, weight "
        f"10 %, alpha {rows[0]['alpha']} ({rows[0]['runs']} runs a cell, no ratio's standard error "
        f"above {unsure:.0%} of it; 0: only we find it, inf: only they do, -: nobody; SPRT: "
        "requests of the one that knows the effect)",
        ["service and effect", "requests", "power", "SPRT", *RULES],
        body,
    )


def _format_ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _format_mean_false(rows: list[Row], rule: str) -> str:
    kinds = ("declared",) if rule in ENGINES else ("documented", "oracle")
    shares = [
        np.mean([r["false_rollback"] for r in rows if r["rule"] == rule and r["limit"] == kind])
        for kind in kinds
    ]
    return " | ".join(f"{share:.3f}" for share in shares)


def of_promotion(false: list[Row], times: list[Row]) -> str:
    """Format block 4: worst shares over base rates, and mean requests to a proof over the bound."""
    body = []
    for (rule, scenario), group in grouped(false, "rule", "scenario"):
        cells = [
            max(row["false_promotion"] for row in rows)
            for _, rows in grouped(group, "margin", "rate")
        ]
        body.append([f"{rule}, {scenario}", *(f"{share:.3f}" for share in cells)])
    wanted = [key for key, _ in grouped(false, "margin", "rate")]
    head = ["scenario", *(f"{margin} {rate:g}" for margin, rate in wanted)]
    proofs = [
        [f"{r['rule']}, {r['base']:.1%}, {r['margin']}, weight {r['weight']:.0%}",
         f"{r['bound']:.0f}",
         f"{r['over_bound']:.2f} +- {r['error']:.2f}"]
        for r in times
    ]  # fmt: skip
    return table(
        f"4. False promotion exactly at the margin, beta {false[0]['beta']}: worst over base "
        f"rates, by margin and rps ({false[0]['runs']} runs a cell, {_describe_error(false)})",
        head,
        body,
    ) + table("   Canary requests to prove a twin safe", ["margin", "bound", "proof/bound"], proofs)


def of_harm(rows: list[Row]) -> str:
    """Format block 5: mean excess bad requests, the SPRT's, and median minutes to the decision."""
    body = []
    for (alpha, margin, rate, theta), group in grouped(rows, "alpha", "margin", "rate", "theta"):
        right = "promoted" if theta == 1 else "rolled_back"
        cells = [cell for row in group for cell in (
            f"{row['excess']:.1f} +- {row['error']:.1f}",
            number(row["known"], 1),
            f"{row['minutes']:.1f}",
            f"{row[right]:.2f}",
        )]  # fmt: skip
        body.append([f"{alpha:g}, +{margin:.1%}, {rate:g} rps, {theta:g}x", *cells])
    names = ("excess", "SPRT", "min", "right")
    ramps = [ramp for (ramp,), _ in grouped(rows, "ramp")]
    return table(
        "5. Excess bad requests and minutes to the decision, base 1 % "
        f"({rows[0]['runs']} runs a cell; the bar is asked of alpha .05, +0; SPRT: what one that "
        "knows the effect costs)",
        ["alpha, R's margin, service", *(f"{ramp} {what}" for ramp in ramps for what in names)],
        body,
    )


def of_dispersion(rows: list[Row]) -> str:
    """Format block 6: false rollback, and power at twice the errors with the median look."""
    names = [(name, "declared") for name in ENGINES]
    names += [(name, which) for name in RULES for which in ("documented", "oracle")]
    names = [pair for pair in names if pair[0] in {*ENGINES, "Flagger", "Kayenta", "GrowthBook"}]
    body = []
    for (scenario, rate), group in grouped(rows, "scenario", "rate"):
        by = {(row["rule"], row["limit"]): row for row in group}
        cells = [f"{by[n]['false_rollback']:.2f} {by[n]['power']:.2f} {number(by[n]['looks'])}"
                 for n in names]  # fmt: skip
        body.append([f"{scenario}, {rate:g} rps", *cells])
    head = [name if limit == "declared" else f"{name} {limit[:3]}." for name, limit in names]
    return table(
        f"6. Under dispersion, alpha {rows[0]['alpha']}, base 1 %, 2x: false rollback, power, "
        f"median look ({rows[0]['runs']} runs a cell, {_describe_error(rows, 'false_error')})",
        ["scenario", *head],
        body,
    )


def of_latency(rows: list[Row]) -> str:
    """Format block 7: share rolled back and the median look, by effect."""
    rules = list(dict.fromkeys(row["rule"] for row in rows))
    body = []
    for (scenario, rate, effect), group in grouped(rows, "scenario", "rate", "effect"):
        by = {row["rule"]: row for row in group}
        cells = [f"{by[n]['rolled_back']:.2f} {number(by[n]['look'])}" for n in rules]
        body.append([f"{scenario}, {rate:g} rps, {effect}", *cells])
    return table(
        f"7. Latencies, tolerance 10 %, alpha {rows[0]['alpha']}: rolled back, median look "
        f"({rows[0]['runs']} runs a cell, {_describe_error(rows)})",
        ["service, canary's latencies", *rules],
        body,
    )


def of_kinds(rows: list[Row]) -> str:
    """Format block 9: each kind of guardrail exactly at what it allows."""
    return table(
        f"9. Other kinds of guardrail, exactly at what they allow ({rows[0]['runs']} runs a cell)",
        ["kind", "figure", "share (standard error)", "declared"],
        kinds.describe(rows),
    )


def _describe_error(rows: list[Row], name: str = "error") -> str:
    """Describe the largest standard error of the shares in the table."""
    return f"no share's standard error above {max(row[name] for row in rows):.3f}"
