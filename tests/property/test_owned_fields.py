"""Laws of fields owned in others' objects, for any object, any fields and any hand between."""

import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from rollout.route.policy.owned import Ownership, apply_fields, differing, parse_ownership

NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.none() | st.integers(0, 3) | st.booleans() | st.lists(st.integers(0, 2), max_size=2)
DOCUMENTS = st.recursive(
    st.dictionaries(NAMES, LEAVES.filter(lambda leaf: leaf is not None), max_size=3),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def _apart(paths):
    """No path lies within another: a field is owned once."""
    return all(path == other or other[: len(path)] != path for path in paths for other in paths)


PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: ("root", *parts))
WANTED = st.dictionaries(PATHS, LEAVES, max_size=4).filter(_apart)


def fits(document, wanted):
    """No parent of a wanted field is a plain value."""
    for path in wanted:
        here = document
        for key in path[1:-1]:
            here = here.get(key, {})
            if not isinstance(here, dict):
                return False
    return True


def owned(document, ownership, wanted, **options):
    copied = copy.deepcopy(document)
    after = apply_fields({"root": copied}, ownership, wanted, **options)
    return copied, parse_ownership(after.text())


@given(document=DOCUMENTS, wanted=WANTED)
def test_what_is_wanted_is_there_and_twice_is_once(document, wanted):
    if fits(document, wanted):
        copied, ownership = owned(document, Ownership(), wanted)
        assert differing({"root": copied}, wanted) == []
        assert owned(copied, ownership, wanted) == (copied, ownership)


@given(document=DOCUMENTS, plans=st.lists(WANTED, max_size=4))
def test_after_any_number_of_plans_everything_is_as_it_was(document, plans):
    copied, ownership = document, Ownership()
    for wanted in plans:
        if fits(document, wanted):
            copied, ownership = owned(copied, ownership, wanted)
    assert owned(copied, ownership, {}) == (document, Ownership())


@given(document=DOCUMENTS, wanted=WANTED, value=st.integers(7, 9))
def test_somebody_s_later_value_is_theirs(document, wanted, value):
    if not wanted or not fits(document, wanted):
        return
    copied, ownership = owned(document, Ownership(), wanted)
    path = next(iter(wanted))
    edit = {path: value}
    edited, _ = owned(copied, Ownership(), edit)
    assert differing({"root": owned(edited, ownership, {})[0]}, edit) == []
    assert differing({"root": owned(edited, ownership, wanted, adopt=True)[0]}, edit) == []
    assert differing({"root": owned(edited, ownership, wanted)[0]}, wanted) == []


@given(document=DOCUMENTS, wanted=WANTED)
def test_nothing_else_is_touched(document, wanted):
    if not fits(document, wanted):
        return
    copied, _ = owned(document, Ownership(), wanted)
    theirs = {path: value for path, value in _leaves(document) if not _within(path, wanted)}
    assert theirs.items() <= dict(_leaves(copied)).items()


def _within(path, wanted):
    """Whether a path lies in a wanted field, or is an empty parent of one."""
    return any(path[: len(owned_path)] == owned_path[: len(path)] for owned_path in wanted)


def _leaves(document, path=("root",)):
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), json.dumps(value)
