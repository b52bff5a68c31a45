"""Laws of patches to VirtualServices and Gateway API routes, as the API server merges them."""

import copy
import re
from fractions import Fraction

import hypothesis.strategies as st
from hypothesis import given, reject

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.gateway import rules
from rollout.route.istio import destinations
from rollout.route.kube import patch
from rollout.route.weighted_route import WeightedRoute
from tests.support import routes
from tests.support.routes import http_route, merged, ref, to, virtual_service

WEIGHTS = st.none() | st.integers(0, 50).map(lambda tens: 2 * tens)
WORDS = st.sampled_from(["", "a", "ü", "30s"])
JSON = st.recursive(
    WORDS | st.booleans() | st.integers(-5, 5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
MORE = st.dictionaries(st.sampled_from(["x", "y"]), JSON, max_size=2)
FOREIGN = st.fixed_dictionaries(
    {}, optional={"match": JSON, "matches": JSON, "timeout": WORDS, "mirror": JSON, "fault": JSON}
)
META = st.fixed_dictionaries(
    {},
    optional={
        "annotations": st.dictionaries(st.sampled_from(["a", "mark.surefoot.dev/other"]), WORDS),
        "labels": st.dictionaries(WORDS, WORDS, max_size=2),
        "resourceVersion": st.just("7"),
    },
)
LAWS = {
    "subsets": (routes.istio(), destinations),
    "hosts": (routes.istio(hosts={"stable": "reviews-v1", "canary": "reviews-v2"}), destinations),
    "gateway": (routes.gateway(), rules),
}


PATHS = {
    "match": [{"uri": {"prefix": "/a"}}, {"headers": {"x": {"exact": "1"}}}],
    "matches": [{"path": {"type": "PathPrefix", "value": "/a"}}, {"method": "GET"}],
}
WAYS = ("weights", "segment", "mirror")
SEGMENTS = st.builds(
    lambda kind, test: {"segment": {kind: {"name": "ab", **test}}},
    st.sampled_from(["header", "cookie", "query"]),
    st.sampled_from([{"exact": "a"}, {"prefix": "a"}, {"regex": "a|b"}]),
)


@st.composite
def splits(draw, among=("weights",)):
    total = draw(st.sampled_from([100, 10_000]))
    canary = draw(st.integers(0, total))
    return Split(canary, total, draw(st.sampled_from(among)) if canary else "weights")


def entry(draw, kind, name):
    weight, more = draw(WEIGHTS), draw(MORE)
    if kind == "gateway":
        return ref(f"reviews-{name}", weight, **more)
    if kind == "subsets":
        host = draw(st.sampled_from(["reviews", "reviews.ns", "reviews.ns.svc.cluster.local"]))
        return to(host, weight, name, **more)
    return to(f"reviews-{name}", weight, **more)


@st.composite
def manifests(draw, kind):
    """A manifest with one to three routes; each names an arm, and maybe others, in any order."""
    rules = []
    for _ in range(draw(st.integers(1, 3))):
        arms = draw(st.sampled_from([["v1"], ["v1", "v2"]]))
        others = draw(st.lists(st.sampled_from(["old", "theirs"]), max_size=2, unique=True))
        rules.append([entry(draw, kind, name) for name in draw(st.permutations([*arms, *others]))])
    manifest = http_route(*rules) if kind == "gateway" else virtual_service(*rules)
    lists = manifest["spec"]["rules" if kind == "gateway" else "http"]
    for route in lists:
        route.update(draw(FOREIGN))
    elsewhere = [to("ratings", 3), to("ratings", 4, "b")]
    if kind != "gateway":
        manifest["spec"]["tcp"] = [{"route": elsewhere}]
    lists.insert(draw(st.integers(0, len(lists))), {"name": "theirs", **draw(FOREIGN)})
    manifest["metadata"] |= draw(META)
    # An earlier write of ours, since before the first one equal shares are asked for.
    marks = {"mark.surefoot.dev/reviews": "m", "split.surefoot.dev/reviews": "0/100"}
    manifest["metadata"].setdefault("annotations", {}).update(marks)
    return manifest


@st.composite
def cases(draw):
    """A mesh, its plan and a manifest where every route has some traffic for an arm of ours."""
    kind = draw(st.sampled_from([*LAWS]))
    plan, mesh = LAWS[kind]
    manifest = draw(manifests(kind))
    for route in mesh.weighted_routes(manifest, plan):
        if not route.weight("stable") + route.weight("canary"):
            (first, *_) = route.of("stable") or route.of("canary")
            first["weight"] = draw(st.integers(1, 200))
    return plan, mesh, manifest


def after(case, split, mark="m"):
    """The object after a patch; cases where the others' shares need too fine weights are left."""
    plan, mesh, manifest = case
    try:
        return merged(manifest, patch.patch(manifest, plan, split, mark))
    except RouteError as error:
        shared = any(route.weight(None) for route in mesh.weighted_routes(manifest, plan))
        if not (shared and re.search("would need weights above (1000000|2147483647)$", str(error))):
            raise
        reject()


def shares(routes: list[WeightedRoute]) -> list[list[Fraction]]:
    """Of each route the others' shares of the traffic."""
    shares_by_rule = []
    for route in routes:
        every = sum(route.weight(arm) for arm in ("stable", "canary", None))
        lone = route.mesh.single_takes_all and len(route.entries) == 1
        shares_by_rule.append(
            [] if lone else [Fraction(route.read_weight(entry), every) for entry in route.of(None)]
        )
    return shares_by_rule


def without_ours(manifest, routes):
    """A manifest less what is ours: weights, entries that say nothing else, marks."""
    rest = copy.deepcopy(manifest)
    notes = rest["metadata"].pop("annotations", {})
    rest["metadata"]["notes"] = {k: v for k, v in notes.items() if not k.endswith("/reviews")}
    for route in routes(rest):
        for entry in route.entries:
            entry.pop("weight", None)
        bare = [
            route.mesh.entry(arm, like) for arm in ("stable", "canary") for like in route.entries
        ]
        route.entries[:] = [entry for entry in route.entries if entry not in bare]
    return rest


@given(cases(), splits())
def test_the_object_shows_the_split_and_the_mark(case, split):
    plan, *_ = case
    new = after(case, split)
    assert patch.split_of(new, plan, split.total) == split
    assert new["metadata"]["annotations"]["mark.surefoot.dev/reviews"] == "m"


@given(cases(), splits())
def test_twice_is_once_and_the_second_patch_is_empty(case, split):
    plan, *_ = case
    assert patch.patch(after(case, split), plan, split, "m") == {}


@given(cases(), splits(), splits())
def test_the_last_write_wins_whatever_was_written_before(case, first, last):
    plan, mesh, _ = case
    between = (plan, mesh, after(case, first, "x"))
    assert patch.split_of(after(between, last), plan, last.total) == last


@given(cases(), splits())
def test_others_keep_their_share_of_every_route(case, split):
    plan, mesh, manifest = case
    before = shares(mesh.weighted_routes(manifest, plan))
    assert shares(mesh.weighted_routes(after(case, split), plan)) == before


@given(cases(), splits())
def test_nothing_else_is_touched(case, split):
    plan, mesh, manifest = case
    original = copy.deepcopy(manifest)

    def routes(live):
        return mesh.weighted_routes(live, plan)

    new = after(case, split)
    assert without_ours(new, routes) == without_ours(manifest, routes)
    assert manifest == original


@given(cases(), splits())
def test_a_rollback_leaves_the_destinations_that_were_there(case, split):
    plan, mesh, manifest = case
    if split.canary == split.total or not all(
        f.of("stable") for f in mesh.weighted_routes(manifest, plan)
    ):
        return
    back = after((plan, mesh, after(case, split)), Split(0))
    assert [len(route.entries) for route in mesh.weighted_routes(back, plan)] == [
        len(route.entries) for route in mesh.weighted_routes(manifest, plan)
    ]


@given(cases(), splits())
def test_weights_are_what_the_mesh_takes(case, split):
    plan, mesh, _ = case
    for route in mesh.weighted_routes(after(case, split), plan):
        weights = [route.read_weight(entry) for entry in route.entries]
        assert all(0 <= weight <= route.mesh.max_weight for weight in weights)
        assert route.weight("stable") + route.weight("canary") > 0
        if split.canary and not route.weight(None):
            assert sum(weights) == split.total


@st.composite
def parting(draw):
    """A case whose routes have matches and copies that a mesh would take, and a segment."""
    plan, mesh, manifest = draw(cases())
    gateway = mesh is rules
    key, copies = ("matches", "filters") if gateway else ("match", "mirrors")
    for route in manifest["spec"]["rules" if gateway else "http"]:
        for free in ("match", "matches", "mirror", "filters"):
            route.pop(free, None)
        if matches := draw(st.lists(st.sampled_from(PATHS[key]), max_size=2, unique_by=str)):
            route[key] = copy.deepcopy(matches)
        if draw(st.booleans()):
            route[copies] = [{"type": "X"} if gateway else to("audit", subset="v2")]
        if route["name"] == "theirs":
            route[key] = [{"path": {"type": "Exact", "value": "/theirs"}}]
    return routes.parted(plan, **draw(SEGMENTS)), mesh, manifest


def others(manifest, mesh, plan):
    """Every route that is neither the plan's nor one of our own."""
    body = copy.deepcopy(manifest)
    own = [id(route.body) for route in mesh.weighted_routes(body, plan)]
    lists = body["spec"].get("rules", []) + body["spec"].get("http", [])
    return [route for route in lists if id(route) not in own and "surefoot" not in route["name"]]


@given(parting(), splits(WAYS))
def test_every_way_is_shown_and_twice_is_once(case, split):
    plan, mesh, manifest = case
    new = after(case, split)
    assert patch.split_of(new, plan, split.total) == split
    assert patch.patch(new, plan, split, "m") == {}
    assert others(new, mesh, plan) == others(manifest, mesh, plan)


def with_shares(manifest, mesh, plan):
    """The object with shares for the weights of the plan's routes."""
    body = copy.deepcopy(manifest)
    for route in mesh.weighted_routes(body, plan):
        weights = [route.read_weight(item) for item in route.entries]
        for item, weight in zip(route.entries, weights, strict=True):
            item["weight"] = Fraction(weight, sum(weights) or 1)
    return body


@given(parting(), splits(WAYS))
def test_a_rollback_from_any_way_leaves_what_was_there(case, split):
    plan, mesh, _ = case
    back = after((plan, mesh, after(case, split, "x")), Split(0))
    assert patch.split_of(back, plan, 100) == Split(0)
    if split.way != "weights":
        direct = after(case, Split(0))
        assert with_shares(back, mesh, plan) == with_shares(direct, mesh, plan)


@given(parting(), st.lists(splits(WAYS), min_size=1, max_size=4))
def test_the_last_way_wins_whatever_was_written_before(case, written):
    plan, mesh, manifest = case
    for split in written:
        manifest = after((plan, mesh, manifest), split)
    assert patch.split_of(manifest, plan, written[-1].total) == written[-1]
