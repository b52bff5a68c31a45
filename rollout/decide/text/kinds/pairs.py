"""Texts about pairs: `the canary lost 46 % of 312 decided pairs (41 to 51, allowed 55)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.plan.fields.units import percent

if TYPE_CHECKING:  # `surefoot check` describes plans without importing numpy
    from analysis.rates.sign_test import SignTest
    from analysis.verdict.pairs_test import PairsTest
    from analysis.verdict.readout import Readout
    from rollout.plan.model.guardrail import Guardrail

_HALF = 0.5


def allow_pairs(guardrail: Guardrail) -> str:
    """Describe how many pairs the canary may lose: `55 % of pairs lost`."""
    margin = guardrail.margin.absolute if guardrail.margin else 0.0
    return f"{percent(round(_HALF + margin, 6))} of pairs lost"


def measure_pairs(guardrail: Guardrail, readout: Readout) -> str:
    """Describe the pairs that the canary lost, in their mean over both orders."""
    allowed = _share(_HALF + (guardrail.margin.absolute if guardrail.margin else 0.0))
    if readout.estimate is None or readout.low is None or readout.high is None:
        return _await(readout.canary)
    bounds = f"{_share(_HALF + readout.low)} to {_share(_HALF + readout.high)}"
    lost = f"the canary lost {_share(_HALF + readout.estimate)} % of {readout.canary:,}"
    return f"{lost} decided pairs ({bounds}, allowed {allowed})"


def prove_pairs(guardrail: Guardrail, readout: Readout) -> str:
    """Describe shown safety: `pairs at most 52 % lost (allowed 55, 46 % of 312 decided pairs)`."""
    if readout.estimate is None or readout.high is None:
        return f"{guardrail.name} at most {allow_pairs(guardrail)}"
    return f"{guardrail.name}: {measure_pairs(guardrail, readout)}"


def compare_pairs(signs: SignTest, level: float) -> str:
    """Describe a goal: `the canary won 58 % of 312 decided pairs (52 to 63)`."""
    share = signs.lost_share
    if share is None:
        return _await(signs.counts.decided)
    low, high = signs.bound(level / 2, level / 2)
    won = f"the canary won {_share(1 - share)} % of {signs.counts.decided:,} decided pairs"
    return f"{won} ({_share(1 - high)} to {_share(1 - low)})"


def describe_orders(test: PairsTest) -> str:
    """Describe what a sign test leaves out, and the judge's preference for the first place."""
    parts = [f"{test.ties:,} ties left out"] if test.ties else []
    won = test.signs.counts.first_won
    if won is not None:
        parts.append(
            f"the version that was read first won {_share(won)} %, which both orders balance out"
        )
    return "; ".join(["error rates assume independent pairs", *parts])


def _await(decided: int) -> str:
    if not decided:
        return "no decided pair yet"
    return f"{decided:,} decided pairs, too few of one order to be compared"


def _share(share: float) -> str:
    return f"{share * 100:.3g}"
