"""Mesh documents for tests: the manual's example, and any that a platform might write."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import yaml
from hypothesis import strategies as st

from rollout.mesh_document.model.host import is_outside
from rollout.mesh_document.model.names import find_owner
from rollout.mesh_document.reading.load import MeshSource, load_mesh
from rollout.mesh_document.targets.compiled import Compiled, Options
from rollout.mesh_document.targets.compilers import compile_mesh
from rollout.route.envoy.bootstrap import SocketAddress
from tests.support.manifests import MANIFESTS

Json = dict[str, Any]
Path = tuple[str | int, ...]

TARGETS = ("istio", "gateway", "envoy")
ALLOWED = ("cluster.local/ns/ward/sa/portal",)
EXAMPLE = MANIFESTS / "examples" / "mesh" / "clinical-mesh.yaml"
NAMES = ("summarizer", "coder", "ranker", "summarizer-v2", "ranker.b.svc", "api.example.org")

DURATIONS = st.sampled_from(
    ["1ms", "100ms", "1500ms", "1501ms", "7s", "1m30s", "2h", "90d", "90d1m", "90d2m"]
)
PERCENTS = st.sampled_from(["0.001%", "0.4%", "1%", "12.34%", "12.4%", "50%", "100%"])
TOKENS = st.sampled_from(["x-user", "x-conversation", "X_Key"])
REGIONS = st.sampled_from(["europe-west1", "europe-west4", "us-east1"])


def source_of(document: Json | str, file: str = "mesh.yaml") -> MeshSource:
    """A document as it is read from a file."""
    if isinstance(document, str):
        return load_mesh(document, file)
    return load_mesh(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False), file)


def options_for(source: MeshSource, target: str, **given: Any) -> Options:
    """What the command line has to add: who may ask, and where everything answers."""
    if target == "envoy":
        algorithms = {
            service.name: service.load_balancer.algorithm if service.load_balancer else None
            for service in source.mesh.spec.services
        }
        given["endpoints"] = {
            name: (SocketAddress("127.0.0.1", 20_000 + number, _weigh(name, algorithms)),)
            for number, name in enumerate(sorted(source.mesh.names()))
        }
    return Options(principals=ALLOWED if source.mesh.is_authorized else (), **given)


def _weigh(name: str, algorithms: Mapping[str, str | None]) -> int | None:
    return 3 if algorithms.get(find_owner(name, algorithms) or "") == "weighted" else None


def compile_source(source: MeshSource, target: str, **given: Any) -> Compiled:
    """Compile a document as a user would. Raises PlanError."""
    return compile_mesh(source, target, options_for(source, target, **given))


def compiled(document: Json | str, target: str, **given: Any) -> Compiled:
    return compile_source(source_of(document), target, **given)


def objects(compilation: Compiled, file: str = "mesh.yaml") -> dict[tuple[str, str], Json]:
    """The manifests of a file by kind and name."""
    documents = yaml.safe_load_all(compilation.files.get(file, ""))
    return {(d["kind"], d["metadata"]["name"]): d for d in documents if d}


def mesh(*services: Json | str, **spec: Any) -> Json:
    """A document with these services; a text is a name."""
    listed: list[Json] = [
        {"name": service} if isinstance(service, str) else service for service in services
    ]
    return {
        "apiVersion": "mesh.ai/v1",
        "kind": "ServiceMesh",
        "metadata": {"name": "clinical-mesh"},
        "spec": {"services": listed, **spec},
    }


def split(name: str, *weights: tuple[str, float], **more: Any) -> Json:
    """A policy of traffic."""
    routes = [{"destination": destination, "weight": weight} for destination, weight in weights]
    return {"name": name, "routes": routes, **more}


@st.composite
def _balancers(draw: st.DrawFn) -> Json:
    algorithms = ["round_robin", "least_connections", "weighted", "consistent_hash"]
    balancer: Json = {"algorithm": draw(st.sampled_from(algorithms))}
    if balancer["algorithm"] == "consistent_hash":
        balancer[draw(st.sampled_from(["header", "cookie"]))] = draw(TOKENS)
    if draw(st.booleans()):
        threshold = draw(st.integers(1, 1000))
        balancer["healthCheck"] = {"interval": draw(DURATIONS), "threshold": threshold}
    return balancer


_BREAKERS = st.one_of(
    st.fixed_dictionaries({"errorThreshold": PERCENTS}, optional={"enabled": st.booleans()}),
    st.just({"enabled": False}),
)
_RETRIES = st.fixed_dictionaries({"attempts": st.integers(0, 10)}, optional={"backoff": DURATIONS})
_FAILOVER = st.lists(REGIONS, min_size=2, max_size=3, unique=True).map(
    lambda regions: [{"from": near, "to": far} for near, far in pairwise(regions)]
)
_MATCHES = st.builds(
    lambda kind, name, test, value, more: {kind: {"name": name, test: value}, **more},
    st.sampled_from(["header", "cookie", "query"]),
    TOKENS,
    st.sampled_from(["exact", "prefix", "regex"]),
    st.sampled_from(["icu-1", "icu-.*", "surgery"]),
    st.sampled_from([{}, {"assignment": "randomised"}, {"share": "20%"}]),
)


@st.composite
def _policies(draw: st.DrawFn, names: list[str], number: int) -> Json:
    base = draw(st.sampled_from(names))
    stable = draw(st.sampled_from([base, f"{base}-v1"]))
    canary = draw(st.sampled_from([f"{base}-v2", f"{base}-v3"]))
    weight = draw(st.sampled_from([0, 0.01, 1, 10, 12.5, 50, 90, 99, 100]))
    pair = [(stable, round(100 - weight, 2)), (canary, weight)]
    ordered = pair if draw(st.booleans()) else pair[::-1]
    match = {"match": draw(_MATCHES)} if draw(st.booleans()) else {}
    return split(f"plan-{number}", *ordered, **match)


@st.composite
def documents(draw: st.DrawFn, *, secured: bool = True) -> Json:
    """A valid document; with `secured` it may ask for mTLS and authorization."""
    chosen = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
    names: list[str] = draw(chosen)
    inside = [name for name in names if "." not in name]
    mode = draw(st.sampled_from(["STRICT", "PERMISSIVE", "DISABLE"])) if secured else "DISABLE"
    if any(map(is_outside, names)) and mode == "STRICT":
        mode = "PERMISSIVE"
    services = [draw(_services(name, names[number + 1 :])) for number, name in enumerate(names)]
    spec: Json = {}
    if draw(st.booleans()) and inside:
        count = draw(st.integers(1, 2))
        spec["trafficPolicies"] = [draw(_policies(inside, number)) for number in range(count)]
    security: Json = {}
    if draw(st.booleans()):
        security["mtls"] = {"mode": mode}
    if secured and draw(st.booleans()):
        is_possible = security.get("mtls") != {"mode": "DISABLE"}
        security["authorization"] = {"enabled": is_possible and draw(st.booleans())}
    if security:
        spec["security"] = security
    return mesh(*services, **spec)


@st.composite
def _services(draw: st.DrawFn, name: str, after: list[str]) -> Json:
    """A service; it falls back to one after it, so that there is no cycle."""
    settings = {
        "loadBalancer": _balancers(),
        "circuitBreaker": _BREAKERS,
        "retries": _RETRIES,
        "timeout": DURATIONS,
        "failover": _FAILOVER,
    }
    inside = [] if "." in name else [f"{name}-basic"]
    others = [other for other in after if "." not in other] + inside
    if others:
        settings["fallback"] = st.sampled_from(others).map(lambda other: {"service": other})
    keys = draw(st.lists(st.sampled_from([*settings]), unique=True))
    return {"name": name, **{key: draw(settings[key]) for key in keys}}


def leaves(document: Json) -> list[tuple[Path, Any]]:
    """Every value of a document that is no mapping or list, with its path."""
    return [
        (path, value) for path, value in _places(document) if not isinstance(value, dict | list)
    ]


@st.composite
def edits(draw: st.DrawFn, document: Json) -> Json:
    """The document after one edit: something of another one, something less, or another order."""
    copied, other = copy.deepcopy(document), draw(documents())
    kind = draw(st.sampled_from(["take", "take", "drop", "reorder"]))
    if kind == "reorder":
        lists = [value for _, value in _places(copied) if isinstance(value, list)]
        chosen = draw(st.sampled_from(lists))
        chosen[:] = draw(st.permutations(chosen))
        return copied
    held = dict(_places(copied))
    source = held if kind == "drop" else dict(_places(other))
    paths = [path for path in source if path and isinstance(held.get(path[:-1]), dict | list)]
    path = draw(st.sampled_from(paths))
    parent, key = held[path[:-1]], path[-1]
    if kind == "drop":
        del parent[key]
    elif isinstance(parent, dict) and isinstance(key, str):
        parent[key] = source[path]
    elif isinstance(parent, list) and isinstance(key, int):
        parent[key : key + 1] = [source[path]]
    return copied


def _places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document at any depth, with its path."""
    yield path, value
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(item, (*path, key))


def replaced(document: Any, path: Path, value: Any) -> Any:
    """The document with another value at a path."""
    if not path:
        return value
    key, *rest = path
    copied: Any = dict(document) if isinstance(document, dict) else list(document)
    copied[key] = replaced(document[key], tuple(rest), value)
    return copied
