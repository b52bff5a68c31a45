"""Proofs hold for what they are of, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.checkpoint.merkle import EMPTY
from rollout.checkpoint.proof import (
    is_consistent,
    prove_consistency,
    prove_inclusion,
    root_of_inclusion,
)
from tests.unit.checkpoint.trees import LEAVES, define

leaf_lists = st.lists(st.binary(max_size=4), min_size=1, max_size=70)

# The paths of the reference implementation's tests (google/certificate-transparency).
PATHS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_known_paths(index, size):
    proof = prove_inclusion(LEAVES[:size], index)
    assert [step.hex() for step in proof] == PATHS[index, size]


@given(leaf_lists, st.data())
def test_a_leaf_is_proven_at_its_index_and_nowhere_else(leaves, dice):
    size = len(leaves)
    index = dice.draw(st.integers(0, size - 1))
    proof = prove_inclusion(leaves, index)
    assert root_of_inclusion(leaves[index], index, size, proof) == define(leaves)
    assert root_of_inclusion(leaves[index] + b"x", index, size, proof) != define(leaves)
    other = dice.draw(st.integers(-1, size + 1))
    if other != index and (other not in range(size) or leaves[other] != leaves[index]):
        assert root_of_inclusion(leaves[index], other, size, proof) != define(leaves)


@given(leaf_lists, st.data())
def test_a_damaged_path_leads_elsewhere(leaves, dice):
    index = dice.draw(st.integers(0, len(leaves) - 1))
    proof = prove_inclusion(leaves, index)
    for damaged in damages(proof, dice):
        assert root_of_inclusion(leaves[index], index, len(leaves), damaged) != define(leaves)


@given(leaf_lists, st.data())
def test_every_prefix_is_consistent_with_the_whole(leaves, dice):
    size = len(leaves)
    first = dice.draw(st.integers(0, size))
    proof = prove_consistency(leaves, first)
    old, new = define(leaves[:first]), define(leaves)
    assert is_consistent(first, old, size, new, proof)
    assert not is_consistent(first, bytes(32), size, new, proof)
    assert not is_consistent(first, old, size, bytes(32), proof) or first == 0
    for damaged in damages(proof, dice):
        assert not is_consistent(first, old, size, new, damaged)


@given(leaf_lists, st.data())
def test_a_tree_that_was_written_anew_has_no_proof(leaves, dice):
    first = dice.draw(st.integers(1, len(leaves)))
    at = dice.draw(st.integers(0, first - 1))
    changed = [*leaves[:at], leaves[at] + b"x", *leaves[at + 1 :]]
    old, new = define(leaves[:first]), define(changed)
    for anew in (changed, leaves):
        proof = prove_consistency(anew, first)
        assert not is_consistent(first, old, len(leaves), new, proof)


def test_nothing_is_consistent_with_everything_but_no_other_size():
    assert is_consistent(0, EMPTY, 3, define(LEAVES[:3]), [])
    assert not is_consistent(4, define(LEAVES[:4]), 3, define(LEAVES[:3]), [])
    assert root_of_inclusion(b"", 0, 0, []) is None


def damages(proof, dice):
    """Yield a proof with a hash less, one more, and one other."""
    yield [*proof, bytes(32)]
    if proof:
        at = dice.draw(st.integers(0, len(proof) - 1))
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], bytes(32), *proof[at + 1 :]]
