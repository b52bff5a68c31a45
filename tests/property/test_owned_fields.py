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
    return all(one == other or other[: len(one)] != one for one in paths for other in paths)


PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: ("root", *parts))
WANTED = st.dictionaries(PATHS, LEAVES, max_size=4).filter(_apart)


def fits(document, wanted):
    """No parent of a wanted field is a plain value."""
    for path in wanted:
        here = document
        for part in path[1:-1]:
            here = here.get(part, {})
            if not isinstance(here, dict):
                return False
    return True


def owned(document, kept, wanted, **options):
    made = copy.deepcopy(document)
    after = apply_fields({"root": made}, kept, wanted, **options)
    return made, parse_ownership(after.text())


@given(document=DOCUMENTS, wanted=WANTED)
def test_what_is_wanted_is_there_and_twice_is_once(document, wanted):
    if fits(document, wanted):
        made, kept = owned(document, Ownership(), wanted)
        assert differing({"root": made}, wanted) == []
        assert owned(made, kept, wanted) == (made, kept)


@given(document=DOCUMENTS, plans=st.lists(WANTED, max_size=4))
def test_after_any_number_of_plans_everything_is_as_it_was(document, plans):
    made, kept = document, Ownership()
    for wanted in plans:
        if fits(document, wanted):
            made, kept = owned(made, kept, wanted)
    assert owned(made, kept, {}) == (document, Ownership())


@given(document=DOCUMENTS, wanted=WANTED, value=st.integers(7, 9))
def test_somebody_s_later_value_is_theirs(document, wanted, value):
    if not wanted or not fits(document, wanted):
        return
    made, kept = owned(document, Ownership(), wanted)
    path = next(iter(wanted))
    edit = {path: value}
    edited, _ = owned(made, Ownership(), edit)
    assert differing({"root": owned(edited, kept, {})[0]}, edit) == []
    assert differing({"root": owned(edited, kept, wanted, adopt=True)[0]}, edit) == []
    assert differing({"root": owned(edited, kept, wanted)[0]}, wanted) == []


@given(document=DOCUMENTS, wanted=WANTED)
def test_nothing_else_is_touched(document, wanted):
    if not fits(document, wanted):
        return
    made, _ = owned(document, Ownership(), wanted)
    theirs = {path: value for path, value in _leaves(document) if not _within(path, wanted)}
    assert theirs.items() <= dict(_leaves(made)).items()


def _within(path, wanted):
    """Whether a path lies in a wanted field, or is an empty parent of one."""
    return any(path[: len(each)] == each[: len(path)] for each in wanted)


def _leaves(document, path=("root",)):
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), json.dumps(value)
