"""Laws of every patch: it says what was asked, twice is once, and the rest is not touched."""

import copy
from fractions import Fraction

import hypothesis.strategies as st
from hypothesis import given

from rollout.decide.record.split import Split
from rollout.plan.model.mesh.traffic import Traffic
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.live import list_leading
from rollout.route.envoy.modes.segment import leads
from rollout.route.envoy.routes import gives_canary
from rollout.route.envoy.traffic import patch as patch_traffic
from rollout.route.envoy.traffic import split_of as seen_of
from rollout.route.envoy.walk import every_weighted, noted, tables, weight
from rollout.route.envoy.weights import split_of, version_of
from rollout.route.manifest import key

ARMS = Arms("s-v1", "s-v2", "s-v2-shadow")
WEIGHTS = st.integers(0, 10_000)
NOTES = st.sampled_from(["", "30s", "ü"])
FOREIGN = st.fixed_dictionaries(
    {},
    optional={
        "timeout": NOTES,
        "name": NOTES,
        "retry_policy": st.just({"num_retries": 3}),
        "request_mirror_policies": st.just([{"cluster": "theirs"}]),
        "metadata": st.builds(lambda: {"filter_metadata": {"x": {}}}),
    },
)
MATCHES = st.sampled_from([{}, {"name": "a", "exact": "é"}, {"name": "b", "prefix": "x."}])
KEYS = st.sampled_from(["header", "cookie", "query"])
TRAFFIC = st.builds(
    lambda kind, test, who: Traffic.model_validate(
        {
            "segment": {kind: test or {"name": "c", "regex": "[0-9]+"}},
            **({"affinity": {who: "user"}} if who else {}),
        }
    ),
    KEYS,
    MATCHES,
    st.sampled_from(["", "header", "cookie"]),
)
PLAIN = Traffic()
# What testers made: the canary alone, by weight or as the only cluster.
PINS = (
    {
        "match": {"path": "/a"},
        "route": {"weighted_clusters": {"clusters": [{"name": "s-v2", "weight": 1}]}},
    },
    {"match": {"path": "/b"}, "route": {"cluster": "s-v2"}},
)
WAYS = ("weights", "segment", "mirror")


def patch(manifest, arms, split, mark, traffic=PLAIN, *, before=None):
    return patch_traffic(manifest, arms, split, mark, traffic, before=before)


@st.composite
def splits(draw, ways=("weights",)):
    total = draw(st.sampled_from([100, 10_000]))
    canary = draw(st.integers(0, total))
    return Split(canary, total, draw(st.sampled_from(ways)) if canary else "weights")


@st.composite
def routes(draw, owned):
    """A route with foreign fields; `owned` ones name stable, and maybe a third with no share."""
    names = ["s-v1", "s-v2"] if owned else ["t-v1", "t-v2"]
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    chosen = [*chosen, "s-v1"] if owned and "s-v1" not in chosen else chosen
    clusters = [{"name": n, "weight": draw(WEIGHTS), **_noted(draw)} for n in chosen]
    if draw(st.booleans()):
        clusters.insert(draw(st.integers(0, len(clusters))), {"name": "s-v0", "weight": 0})
    action = {**draw(FOREIGN), "weighted_clusters": {"clusters": clusters}}
    return {**draw(FOREIGN), "match": {"prefix": draw(NOTES)}, "route": action}


def _noted(draw):
    return {"metadata_match": draw(NOTES)} if draw(st.booleans()) else {}


@st.composite
def manifests(draw):
    plain = {"match": {"path": "/health"}, "route": {"cluster": "s-v1"}}
    ours = draw(st.lists(routes(owned=True), min_size=1, max_size=3))
    others = draw(st.lists(routes(owned=False) | st.sampled_from([plain, *PINS]), max_size=3))
    mixed = draw(st.permutations([*ours, *others]))
    host = {**draw(FOREIGN), "domains": ["*"], "routes": list(mixed)}
    config = {**draw(FOREIGN), "validate_clusters": True, "virtual_hosts": [host]}
    return {"version_info": draw(NOTES), "resources": [config]}


def without_ours(manifest):
    """The manifest less what the router owns: two weights, entries that are nothing else, marks."""
    rest = copy.deepcopy(manifest)
    del rest["version_info"]
    rest["resources"][0].pop("metadata", None)
    for weighted in every_weighted(rest):
        for entry in weighted.clusters:
            if entry["name"] in ARMS:
                del entry["weight"]
        weighted.clusters[:] = [
            entry
            for entry in weighted.clusters
            if entry not in ({"name": "s-v1"}, {"name": "s-v2"})
        ]
    return rest


def weighing(manifest):
    """The manifest less our entries that say nothing and get nothing, with shares for weights."""
    rest = copy.deepcopy(manifest)
    for weighted in every_weighted(rest):
        idle = [{"name": name, "weight": 0} for name in ("s-v1", "s-v2")]
        weighted.clusters[:] = [entry for entry in weighted.clusters if entry not in idle]
        total = sum(map(weight, weighted.clusters))
        weighted.field.pop(key(weighted.field, "total_weight"), None)
        for entry in weighted.clusters if total else ():
            entry["weight"] = Fraction(weight(entry), total)
    return rest


@given(manifests(), splits(), NOTES)
def test_the_patched_manifest_shows_the_split_and_the_mark(manifest, split, mark):
    new = patch(manifest, ARMS, split, mark)
    assert split_of(new, ARMS, split.total) == split
    assert version_of(new) == mark


@given(manifests(), splits(), NOTES)
def test_twice_is_once(manifest, split, mark):
    once = patch(manifest, ARMS, split, mark)
    assert patch(once, ARMS, split, mark) == once


@given(manifests(), splits(), splits(), NOTES)
def test_the_last_write_wins_whatever_was_written_before(manifest, first, last, mark):
    direct = patch(manifest, ARMS, last, mark)
    detour = patch(patch(manifest, ARMS, first, "x"), ARMS, last, mark)
    assert weighing(detour) == weighing(direct)


@given(manifests(), splits())
def test_nothing_else_is_touched(manifest, split):
    before = copy.deepcopy(manifest)
    new = patch(manifest, ARMS, split, "m")
    assert without_ours(new) == without_ours(manifest)
    assert manifest == before


@given(manifests(), splits())
def test_what_shares_the_traffic_sums_to_the_total(manifest, split):
    for weighted in every_weighted(patch(manifest, ARMS, split, "m")):
        if split.canary and weighted.entries("s-v1") and weighted.entries("s-v2"):
            assert sum(entry["weight"] for entry in weighted.clusters) == split.total


@given(st.integers(1, 10_000), WEIGHTS, st.integers(1, 10_000), splits())
def test_a_third_cluster_keeps_its_share(stable, canary, third, split):
    weights = {"s-v1": stable, "s-v0": third, "s-v2": canary}
    clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
    route = {"route": {"weighted_clusters": {"clusters": clusters}}}
    live = {"resources": [{"virtual_hosts": [{"routes": [route]}]}]}
    new = patch(live, ARMS, split, "m")
    (weighted,) = every_weighted(new)
    total = sum(entry["weight"] for entry in weighted.clusters)
    others = sum(map(weight, weighted.entries("s-v0")))
    assert Fraction(others, total) == Fraction(third, stable + canary + third)
    assert split_of(new, ARMS, split.total) == split


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.sampled_from([100, 10_000]))
def test_an_arm_with_traffic_is_never_shown_without(stable, canary, total):
    clusters = [{"name": "s-v1", "weight": stable}, {"name": "s-v2", "weight": canary}]
    route = {"route": {"weighted_clusters": {"clusters": clusters}}}
    live = {"resources": [{"virtual_hosts": [{"routes": [route]}]}]}
    split = split_of(live, ARMS, total)
    assert 0 < split.canary < total
    assert abs(split.share - canary / (stable + canary)) <= 1 / total


@given(manifests(), splits(WAYS), TRAFFIC)
def test_every_way_shows_what_was_written(manifest, split, traffic):
    new = patch(manifest, ARMS, split, "m", traffic)
    assert seen_of(new, ARMS, split.total, traffic) == split


@given(manifests(), st.lists(splits(WAYS), min_size=1, max_size=3), TRAFFIC)
def test_the_last_way_wins_whatever_was_written_before(manifest, before, traffic):
    live, last = manifest, before[-1]
    for number, split in enumerate(before):
        live = patch(live, ARMS, split, f"{number}", traffic)
    direct = patch(manifest, ARMS, last, f"{len(before) - 1}", traffic)
    assert weighing(live) == weighing(direct)
    again = patch(live, ARMS, last, f"{len(before) - 1}", traffic)
    assert weighing(again) == weighing(live)


@given(manifests(), splits(WAYS), TRAFFIC)
def test_a_rollback_from_any_way_leaves_what_was_there(manifest, split, traffic):
    back = patch(patch(manifest, ARMS, split, "x", traffic), ARMS, Split(0), "m")
    assert weighing(back) == weighing(patch(manifest, ARMS, Split(0), "m"))
    assert without_ours(back) == without_ours(manifest)


@given(manifests(), splits(WAYS), TRAFFIC)
def test_foreign_routes_stand_where_they_stood(manifest, split, traffic):
    def foreign(document):
        return [[r for r in routes if not leads(r, ARMS)] for *_, routes in tables(document)]

    new = patch(manifest, ARMS, split, "m", traffic)
    assert foreign(new) == foreign(manifest)


def pins_of(manifest):
    return [route for _, _, routes in tables(manifest) for route in routes if route in PINS]


@given(manifests(), st.lists(splits(WAYS), min_size=1, max_size=3), st.sampled_from(PINS), TRAFFIC)
def test_a_rollback_moves_what_leads_to_the_canary_since_the_first_write(
    manifest, ways, pin, traffic
):
    """And leaves alone what did so before it; steps leave both alone."""
    before = list_leading(manifest, manifest, ARMS)
    live, past = manifest, None
    for split in ways:
        live, past = patch(live, ARMS, split, "x", traffic, before=past), before
    assert pins_of(live) == pins_of(manifest)
    stray = {**copy.deepcopy(pin), "match": {"path": "/new"}}
    live["resources"][0]["virtual_hosts"][0]["routes"].insert(0, stray)
    assert stray in tables_of(patch(live, ARMS, Split(7), "y", traffic, before=before))
    assert seen_of(live, ARMS, 100, traffic, before).canary
    back = patch(live, ARMS, Split(0), "z", traffic, before=before)
    assert seen_of(back, ARMS, 100, traffic, before) == Split(0)
    assert pins_of(back) == pins_of(manifest)
    assert not gives_canary(back, ARMS, before)


@given(manifests(), TRAFFIC, st.sampled_from(["s-v1", "s-v2", "elsewhere"]))
def test_a_rollback_ends_where_no_route_has_weights_any_more(manifest, traffic, cluster):
    before = list_leading(manifest, manifest, ARMS)
    live = patch(manifest, ARMS, Split(20), "x", traffic)
    live["resources"][0]["virtual_hosts"][0]["routes"] = [
        {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    ]
    assert seen_of(live, ARMS, 100, traffic, before) == Split(100 * (cluster == "s-v2"))
    back = patch(live, ARMS, Split(0), "z", traffic, before=before)
    assert seen_of(back, ARMS, 100, traffic, before) == Split(0)
    assert version_of(back) == "z"
    assert all(noted(config)["mark"] == "z" for config in back["resources"])
    (route,) = tables_of(back)
    assert route["route"]["cluster"] == ("elsewhere" if cluster == "elsewhere" else "s-v1")


def tables_of(manifest):
    return [route for _, _, routes in tables(manifest) for route in routes]
