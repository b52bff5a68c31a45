"""Back-off: doubled by each failure, bounded, and nothing without one."""

import pytest

from rollout.backoff import backoff


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0.0), (1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (10**6, 30.0)],
)
def test_each_failure_doubles_it_up_to_the_most(failures, seconds):
    assert backoff(failures, 0.5, 30.0) == seconds
