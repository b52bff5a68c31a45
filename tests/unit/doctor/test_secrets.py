"""A password in any URL of a plan is a warning with its cure, and in no finding."""

from __future__ import annotations

import pytest

from rollout.doctor.secrets import of_plan, of_server
from rollout.observe.access.settings import PrometheusSettings
from rollout.plan.model.prometheus import PrometheusServer
from rollout.wire.doctor_tools import doctor_tools
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


def write_access(folder, secret):
    folder.joinpath("token").write_text("s3cret")
    file = folder / "access.yaml"
    file.write_text(
        "apiVersion: surefoot.dev/v1alpha1\nkind: PrometheusAccess\naccesses:\n"
        f"  - {{name: main, servers: ['https://prometheus.example'], bearer: {secret}}}\n"
    )
    return file


@pytest.mark.parametrize(
    ("secret", "name"), [("{tokenFile: token}", "token"), ("{token: s3cret}", "access.yaml")]
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o600])
def test_a_file_with_a_secret_that_others_may_read_is_a_warning(tmp_path, secret, name, mode):
    file = write_access(tmp_path, secret)
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    (tmp_path / name).chmod(mode)
    server = PrometheusServer(url="https://prometheus.example", access="main")
    exposed = doctor_tools(settings=PrometheusSettings(file)).exposed(server)
    findings = [*of_server(server, exposed)]
    cures = [f"chmod 600 {tmp_path / name}"] if mode != 0o600 else []
    assert [finding.fix for finding in findings] == cures
    assert "s3cret" not in str(findings)
