"""The tree of RFC 6962 against its definition and known roots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.checkpoint.merkle import roots
from tests.unit.checkpoint.trees import LEAVES, define

ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def test_known_roots():
    assert {size: root.hex() for size, root in roots(LEAVES, ROOTS).items()} == ROOTS


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_every_prefix_has_the_root_of_its_definition(leaves):
    sizes = range(len(leaves) + 1)
    assert roots(leaves, sizes) == {size: define(leaves[:size]) for size in sizes}


@pytest.mark.parametrize("size", [9, 100])
def test_what_is_not_there_has_no_root(size):
    assert roots(LEAVES, {size}) == {}
