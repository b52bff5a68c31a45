"""Whether the fallback of a policy answers for the canary, from Envoy's list of endpoints."""

import pytest

from rollout.route.envoy.arms import Arms
from rollout.route.envoy.safety_net import fallen


@pytest.mark.parametrize(
    ("lines", "fell"),
    [
        ("c::127.0.0.1:1::health_flags::healthy", False),
        ("c::127.0.0.1:1::health_flags::/failed_outlier_check", True),
        ("c::a:1::health_flags::/failed_outlier_check\nc::b:1::health_flags::healthy", False),
        ("c::a:1::health_flags::/failed_active_hc\nc-shadow::b:1::health_flags::healthy", True),
        ("c::default_priority::max_connections::1024", True),
        ("s::a:1::health_flags::healthy", False),
    ],
)
def test_the_net_carries_the_canary_while_none_of_its_endpoints_serves(lines, fell):
    assert fallen(lines, Arms("s", "c", "c-shadow")) is fell
