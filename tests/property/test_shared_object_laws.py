"""Laws of three services' rollouts in one object: none takes what another has, none leaves a note.

Their versions have the same names, so that each gives what the others call their canary.
"""

import copy

import hypothesis.strategies as st
from hypothesis import given

from rollout.decide.record.split import Split
from rollout.route.kube.patch import patch
from rollout.route.kube.view import exposure
from tests.support.examples import draw_up_to
from tests.support.routes import merged, plan, to, virtual_service

ROUTES = {"a": "r1", "b": "r2", "c": "r3"}
PLANS = {
    service: plan(
        {"istio": {"virtualService": "reviews", "host": "reviews", "http": [route]}},
        service=service,
    )
    for service, route in ROUTES.items()
}
SPLITS = {"step": Split(50), "promote": Split(100), "roll back": Split(0)}
ORDERS = st.lists(
    st.tuples(st.sampled_from([*ROUTES]), st.sampled_from([*SPLITS])), min_size=3, max_size=12
)


def fresh():
    live = virtual_service(*[[to("reviews", None, "v1")] for _ in ROUTES])
    for number, route in enumerate(live["spec"]["http"]):
        route["match"] = [{"uri": {"exact": f"/{number}"}}]
    return live


def write(live, service, split, before, *, is_last):
    asked = PLANS[service]
    change = patch(live, asked, split, f"{asked.id}/1", before, is_last=is_last)
    return copy.deepcopy(merged(live, change))


@draw_up_to(200)
@given(ORDERS)
def test_each_ends_as_it_was_decided_and_the_last_leaves_no_note(order):
    live, records, ends = fresh(), dict[str, tuple[str, ...]](), dict[str, str]()
    everything = [*order, *((service, "roll back") for service in ROUTES)]
    for service, what in everything:
        if service in ends:
            continue
        if service not in records:
            records[service] = exposure(live, PLANS[service]).leading
            live = write(live, service, Split(5), None, is_last=False)
            continue
        for other in records.keys() - ends.keys():  # as each one's look does
            records[other] += exposure(live, PLANS[other], records[other]).lacking
        live = write(live, service, SPLITS[what], records[service], is_last=what != "step")
        if what != "step":
            ends[service] = what
        if ends.keys() == records.keys():
            assert live["metadata"]["annotations"] == {}
        for ended, end in ends.items():
            route = live["spec"]["http"][[*ROUTES].index(ended)]
            assert ("v2" in f"{route}") == (end == "promote")
