"""A route's time-out, as each mesh spells it."""

import pytest

from rollout.route.timeout import find_longest_timeout


@pytest.mark.parametrize(
    ("actions", "timeout"),
    [
        ([{"timeout": "10s"}], 10.0),
        ([{"timeout": "1m30s"}, {"timeout": "0.5s"}], 90.0),
        ([{"timeouts": {"request": "5m"}}], 300.0),
        ([{"timeouts": {"request": "5m"}}, {}], None),
        ([{"timeout": "0s"}], None),
        ([{"timeout": 10}], None),
        ([{"timeouts": "10s"}], None),
        ([], None),
    ],
)
def test_the_longest_counts_where_every_route_has_one(actions, timeout):
    assert find_longest_timeout(actions) == timeout
