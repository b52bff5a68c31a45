"""Which service of the document a name belongs to, and mistakes between names.

They are found in plain data, so that they are reported also where other mistakes keep the model
from being built. Nothing here assumes the document's shape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import reduce
from operator import getitem
from typing import Any

from pydantic_core import PydanticCustomError

from rollout.mesh_document.model.host import HOME, is_outside, may_be_service, spell
from rollout.plan.fields.codes import fault
from rollout.plan.model.plan import twin

Path = tuple[str | int, ...]
Fault = tuple[Path, PydanticCustomError]

_SERVICES, _POLICIES = ("spec", "services"), ("spec", "trafficPolicies")


def find_owner(name: str, services: Collection[str]) -> str | None:
    """Return the service that a name belongs to: its own, or the one that it is a version of.

    A version is called `<service>-<version>`; the longest service's name counts.
    """
    base, *domain = name.split(".", 1)
    while base and ".".join([base, *domain]) not in services:
        base = base.rpartition("-")[0]
    return ".".join([base, *domain]) if base else None


def find_home(data: Any) -> str:
    """Return the namespace of a mesh's services, as its document has it."""
    namespace = _get(data, "metadata", "namespace")
    return namespace if isinstance(namespace, str) else HOME


def spell_services(data: Any, home: str) -> None:
    """Spell each Service of a document in one way, so that equal ones have equal names."""
    for path, name in [*_names(data), *_fallbacks(data), *_destinations(data)]:
        *way, key = path
        reduce(getitem, way, data)[key] = spell(name, home)


def find_faults(data: Any) -> Iterator[Fault]:
    """Yield the mistakes between the names of a document, each at its path."""
    named, fallbacks = [*_names(data)], [*_fallbacks(data)]
    names = {name for _, name in named}
    yield from _find_twins(named)
    yield from _find_twins([*_texts(data, _POLICIES, ("name",))])
    # Any other destination is a mistake by itself.
    own = [(path, name) for path, name in _destinations(data) if "." not in name]
    choices = sorted(names)[:_CHOICES]
    for path, name in [*fallbacks, *own]:
        if may_be_service(name) and find_owner(name, names) is None:
            yield path, _lack(name, choices)
    yield from _find_long_ways(named, fallbacks)
    if _get(data, "spec", "security", "mtls", "mode") == "STRICT":
        yield from ((path, _outside(name)) for path, name in named + fallbacks if is_outside(name))


def _lack(name: str, choices: list[str]) -> PydanticCustomError:
    message = f"no service of the document is called `{name}`, and it is no version of one"
    return fault("P030", message, choices=choices)


_CHOICES = 100  # names that a misspelt one is compared with: more would take seconds
_MOST_FALLBACKS = 8  # one after another: each is one more to try before anybody hears of a failure


def _outside(name: str) -> PydanticCustomError:
    return fault(
        "P032",
        f"`{name}` is outside of the mesh, where nobody speaks its mTLS",
        hint="write `mode: PERMISSIVE`, or a Service: NAME, or NAME.NAMESPACE.svc.cluster.local",
    )


def _find_twins(named: list[tuple[Path, str]]) -> Iterator[Fault]:
    names = set[str]()
    for path, name in named:
        if name in names:
            yield path, twin(name)
        names.add(name)


def _find_long_ways(
    named: list[tuple[Path, str]], fallbacks: list[tuple[Path, str]]
) -> Iterator[Fault]:
    """Yield each fallback that closes a cycle, and each that has too many others after it."""
    owners = {path[:3]: name for path, name in named}
    following: dict[str, tuple[Path, str]] = {}
    for path, name in fallbacks:
        following.setdefault(owners.get(path[:3], ""), (path, name))
    length: dict[str, int] = {}  # how many fallbacks follow on each other from here
    for start in following:
        way: dict[str, None] = {}  # in order
        name = start
        while name in following and name not in length and name not in way:
            way[name] = None
            name = following[name][1]
        passed = [*way]
        if name in way:
            yield following[passed[-1]][0], _cycle([*passed[passed.index(name) :], name])
            length |= dict.fromkeys(passed, 0)
            continue
        for here in reversed(passed):
            path, other = following[here]
            length[here] = length.get(other, 0) + 1
            if length[here] == _MOST_FALLBACKS + 1:
                yield path, _long_way()


def _cycle(names: list[str]) -> PydanticCustomError:
    listed = names if len(names) <= _MOST_FALLBACKS else [*names[:2], "...", *names[-2:]]
    hint = "the last of them answers for itself: leave its `fallback` out"
    return fault("P031", f"a cycle of fallbacks: {' -> '.join(listed)}", hint=hint)


def _long_way() -> PydanticCustomError:
    message = f"more than {_MOST_FALLBACKS} fallbacks one after another"
    return fault("P035", message, hint="leave this one out: its service answers for itself")


def _names(data: Any) -> Iterator[tuple[Path, str]]:
    return _texts(data, _SERVICES, ("name",))


def _fallbacks(data: Any) -> Iterator[tuple[Path, str]]:
    return _texts(data, _SERVICES, ("fallback", "service"))


def _destinations(data: Any) -> Iterator[tuple[Path, str]]:
    for path, policy in _items(data, _POLICIES):
        yield from _texts(policy, ("routes",), ("destination",), before=path)


def _items(data: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the items of a list at a path of keys, each with its own path."""
    items = _get(data, *path)
    if isinstance(items, list):
        yield from (((*path, index), item) for index, item in enumerate(items))


def _texts(data: Any, path: Path, keys: Path, before: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the texts at these keys of each item of a list, with their paths."""
    for here, item in _items(data, path):
        text = _get(item, *keys)
        if isinstance(text, str) and text:
            yield (*before, *here, *keys), text


def _get(data: Any, *keys: str | int) -> Any:
    """The value at a path of keys, or None where the data has no such path."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
