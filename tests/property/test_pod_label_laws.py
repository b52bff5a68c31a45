"""Laws of the pods' label: it parts the versions, and a client's is never chosen."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from rollout.observe.pods.label import find_label

NAMES = ("pod", "instance", "kubernetes_pod_name", "hostname", "exported_pod", "code", "path")
SERIES = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", *"abcdefgh"])), max_size=8
)
PODS = st.sets(st.integers(0, 9), min_size=2, max_size=5)


@given(SERIES, SERIES)
def test_what_is_chosen_parts_the_versions(stable, canary):
    name = find_label(stable, canary, {"code"})
    if name is None:
        return
    of_stable, of_canary = ([series.get(name, "") for series in arm] for arm in (stable, canary))
    assert name != "code"
    assert "" not in {*of_stable, *of_canary}
    assert len({*of_stable}) > 1
    assert not {*of_stable} & {*of_canary}


@given(
    st.sampled_from(NAMES[:5]),
    st.data(),
    st.sets(st.integers(0, 9), min_size=1, max_size=9),
)
def test_clients_of_both_versions_are_never_taken_for_servers(name, data, clients):
    """Any number of clients, in any number of series, one of which calls both versions."""
    callers = st.lists(st.sampled_from(sorted(clients)), min_size=1, max_size=6)
    both = data.draw(st.sampled_from(sorted(clients)))
    arms = [
        [{name: f"client-{caller}"} for caller in (*data.draw(callers), both)] for _ in range(2)
    ]
    stable, canary = arms
    assert find_label(stable, canary, set()) is None


@given(PODS, PODS, st.sets(st.integers(0, 9), min_size=2, max_size=5), st.booleans())
def test_a_client_s_label_at_the_servers_own_targets_is_never_chosen(
    stable, canary, clients, is_kept
):
    """Even where each client keeps its version, so that its name occurs in one version alone."""

    def series(version, pods):
        return [
            {
                "job": "app",
                "instance": f"{version}{pod}",
                "pod": f"{'' if not is_kept else version}client-{client}",
            }
            for pod in pods
            for client in clients
        ]

    assert find_label(series("v1", stable), series("v2", canary), set()) == "instance"


@given(PODS, PODS)
def test_pods_are_found_in_whatever_order_their_series_come(stable, canary):
    arms = [
        [{"pod": f"{version}-{pod}", "code": code} for pod in pods for code in ("200", "500")]
        for version, pods in (("v1", stable), ("v2", canary))
    ]

    of_stable, of_canary = arms
    assert find_label(of_stable, of_canary, {"code"}) == "pod"
    assert find_label(of_stable[::-1], of_canary[::-1], {"code"}) == "pod"
