"""The newest checkpoint is an annotation, which only the same journal's later ones replace."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rollout.checkpoint.merkle import roots
from rollout.checkpoint.note import make_key, sign
from rollout.errors import ClusterError, InputError, JournalError
from rollout.kube.checkpoint_annotation import (
    KEY,
    annotate,
    build_patch,
    parse_object,
    read_checkpoint,
)
from rollout.kube.kinds import CONFIG_MAP, ROLLOUT_PLAN

SECRET, _ = make_key("lab.example/surefoot")
LEAVES = [str(number).encode() for number in range(9)]
WHERE = parse_object("configmap/checkpoints", "audit")


def root_of(leaves):
    return lambda size: roots(leaves, {size})[size]


def signed(leaves, secret=SECRET):
    return sign(len(leaves), root_of(leaves)(len(leaves)), secret)


class OneObjectServer:
    """One object; `conflicts` patches are refused, since somebody edits it in between."""

    def __init__(self, note=None, conflicts=0):
        annotations = {"other": "stays"} | ({KEY: note} if note else {})
        self.live: Any = {"metadata": {"resourceVersion": "1", "annotations": annotations}}
        self.conflicts, self.asked = conflicts, []

    def get(self, *address):
        self.asked.append(address)
        return copy.deepcopy(self.live)

    def patch(self, kind, namespace, name, body):
        metadata = self.live["metadata"]
        if self.conflicts:
            self.conflicts -= 1
            metadata["resourceVersion"] += "1"
        if body["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise ClusterError("the object has been modified", 409)
        metadata["annotations"] |= body["metadata"]["annotations"]
        return self.live

    @property
    def note(self):
        return self.live["metadata"]["annotations"][KEY]


def put(server, leaves, secret=SECRET):
    annotate(server, WHERE, signed(leaves, secret), root_of(leaves))


@pytest.mark.parametrize("before", [None, *range(10)])
def test_the_whole_note_replaces_an_earlier_one_of_the_same_journal(before):
    server = OneObjectServer(None if before is None else signed(LEAVES[:before]))
    put(server, LEAVES)
    assert server.note == signed(LEAVES)
    assert server.live["metadata"]["annotations"]["other"] == "stays"
    assert server.asked == [(CONFIG_MAP, "audit", "checkpoints")]


@pytest.mark.parametrize(
    ("leaves", "words"),
    [(LEAVES[:5], "newer ones were cut off"), ([b"x", *LEAVES[1:], b"y"], "written anew")],
)
def test_a_journal_that_was_cut_off_or_written_anew_does_not_replace_the_evidence(leaves, words):
    server = OneObjectServer(signed(LEAVES))
    with pytest.raises(JournalError, match=words):
        put(server, leaves)
    assert server.note == signed(LEAVES)


def test_another_chain_has_a_key_of_another_name():
    other, _ = make_key("lab.example/second")
    server = OneObjectServer(signed(LEAVES))
    put(server, LEAVES[:2], other)
    assert server.note == signed(LEAVES[:2], other)


@pytest.mark.parametrize(
    "text", ["", "see the wiki", signed(LEAVES) * 2], ids=["empty", "prose", "two"]
)
def test_what_is_no_checkpoint_is_not_written_over(text):
    server = OneObjectServer()
    server.live["metadata"]["annotations"][KEY] = text
    with pytest.raises(JournalError):
        put(server, LEAVES)
    assert server.note == text


def test_an_edit_in_between_is_read_first():
    server = OneObjectServer(conflicts=2)
    put(server, LEAVES)
    assert server.note == signed(LEAVES)
    with pytest.raises(ClusterError):
        put(OneObjectServer(conflicts=99), LEAVES)


def test_the_patch_is_for_one_version_and_of_one_annotation():
    live = {"metadata": {"resourceVersion": "7"}, "data": {"a": "b"}}
    assert build_patch(live, "note") == {
        "metadata": {"resourceVersion": "7", "annotations": {KEY: "note"}}
    }
    assert read_checkpoint(live) is None


def test_the_object_is_a_config_map_or_a_plan():
    assert parse_object("RolloutPlan/demo", "ns").kind == ROLLOUT_PLAN
    assert CONFIG_MAP.api_version == "v1"
    for text in ("secret/a", "configmap", "configmap/", "configmap/a/b", "/a"):
        with pytest.raises(InputError):
            parse_object(text, "ns")
