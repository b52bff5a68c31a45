"""A password in any URL of a plan is a warning with its cure, and in no finding."""

from __future__ import annotations

import pytest

from rollout.doctor.secrets import of_plan
from tests.support.worlds import plan, recorded_plan

URL = "https://eve:s3cret@prometheus.example"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"prometheus": {"url": URL, "scrape": "1s"}}, "spec.prometheus.url"),
        ({"route": {"envoy": {"file": "a", "admin": URL}}}, "spec.route.envoy.admin"),
        (
            {"hooks": [{"name": "a", "when": "promoted", "url": "https://chat/x?token=s3cret"}]},
            "spec.hooks[0].url",
        ),
    ],
)
def test_each_field_with_one_is_a_warning(spec, path):
    (finding,) = of_plan(recorded_plan(**spec))
    assert finding.level == "warn"
    assert finding.said.startswith(f"{path} holds a password")
    assert "change the password" in finding.fix
    assert "s3cret" not in str(finding)


def test_a_plan_without_one_has_no_finding():
    assert not [*of_plan(plan())]
