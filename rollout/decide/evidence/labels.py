"""Whether both versions are labelled as often: else their labels cannot be compared.

A judge labels a part of all answers. One that labels the canary's less often than stable's, because
it fails or gives up on some of them, may leave out just the bad ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from analysis import sample_ratio
from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from rollout.decide.evidence.exposure import is_clustered, may_hold_mirrored, share_of_all
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Guardrail


def count_labels(
    state: RolloutState,
    guardrail_state: GuardrailState,
    counts: Counts,
    guardrail: Guardrail,
    since: float | None,
) -> GuardrailState:
    """Return the guardrail with a look's labels in the test of their shares.

    Tested are looks from `since` on that lie wholly after the mesh's confirmation and the labels'
    `lag`: earlier ones may hold labels of two splits. Labels that are as frequent for both
    versions have the share of the traffic, which `sample_ratio` tests by itself.
    """
    confirmed, share = state.delivery.confirmed_at, share_of_all(state.plan, state.split)
    if not guardrail.metric.is_judged or guardrail.metric.kind in {"pairs", "human"}:
        return guardrail_state  # pairs are of both versions, and people choose what they read
    if confirmed is None or since is None or share is None:
        return guardrail_state
    is_of_one_split = since >= confirmed + guardrail.lag and not state.delivery.is_open
    canary, stable = counts.canary_exposures, counts.stable_exposures
    if not is_of_one_split or not state.split.canary or not canary + stable:
        return guardrail_state
    if may_hold_mirrored(state, since, guardrail.lag):
        return guardrail_state
    capital = guardrail_state.label_shares or guardrail_state.share_start
    return replace(
        guardrail_state,
        label_shares=sample_ratio.update(
            capital, canary, stable, share, clustered=is_clustered(state)
        ),
        labels=guardrail_state.labels.seen(canary, stable, share),
    )


def list_uneven(state: RolloutState) -> Iterator[str]:
    """Yield the guardrails whose labels contradict the traffic's shares."""
    for name, guardrail in sorted(state.guardrails.items()):
        if guardrail.label_shares and sample_ratio.mismatched(guardrail.label_shares):
            yield name
