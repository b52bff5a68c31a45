"""Read and write YAML that other programs read as well, within bounds of time and memory.

What makes YAML dear is not its bytes: aliases that nest each other stand for more values than any
memory holds. So the nodes of a text are counted, each as often as it stands somewhere, before
anything is made of them.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from rollout.answers.json_text import MOST, parse_json
from rollout.plan.reading.positions import is_shallow

# libyaml's are ten times as fast; PyYAML's own stand in for them where it was built without.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def parse_yaml(text: str) -> Any:
    """Return the document of a YAML text, without anything that two places of it share.

    Raises ValueError, TypeError, OverflowError, RecursionError, and YAMLError.
    """
    if not is_shallow(text):  # libyaml recurses without a limit of its own
        raise ValueError("it is nested too deeply")
    loader = _Loader(text)
    root = loader.get_single_node()
    if root is None:
        return None
    _count(root, {})
    # A round trip through JSON copies what aliases share: a change in one place must not change
    # the other.
    return parse_json(json.dumps(loader.construct_document(root)))


def write_yaml(document: Any) -> str:
    """Return a document as YAML text, its keys in their order."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False))


def _count(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return how many nodes a node stands for. Raises ValueError for too many."""
    if id(node) not in counts:
        counts[id(node)] = MOST + 1  # for one that holds itself
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inner = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        counts[id(node)] = 1 + sum(_count(child, counts) for child in inner)
        if counts[id(node)] > MOST:
            raise ValueError(f"it holds more than {MOST:,} values")
    return counts[id(node)]
