"""Plans and asks for the observers' tests."""

import pytest

from rollout.plan.model import Plan
from rollout.ports import Ask

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
LATENCY = {"name": "latency", "template": "envoy/latency", "tolerance": "10%"}


def build(service="summarizer", guardrails=(ERRORS, LATENCY), url="http://p:9090", scrape="2s"):
    route = {"envoy": {"file": "/etc/envoy/routes.json", "admin": "http://127.0.0.1:9901"}}
    spec = {
        "service": service,
        "stable": {"version": "v1"},
        "canary": {"version": "v2"},
        "route": route,
        "ramp": {"steps": ["5%"], "bake": "10s"},
        "guardrails": list(guardrails),
        "prometheus": {"url": url, "scrape": scrape},
        "interval": scrape,
    }
    document = {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "RolloutPlan",
        "metadata": {"name": service},
        "spec": spec,
    }
    return Plan.model_validate(document)


@pytest.fixture
def plan():
    """A builder of plans."""
    return build


@pytest.fixture
def ask():
    """A builder of asks; the rollout's id is its service."""

    def make(since=None, service="summarizer", **words):
        return Ask(service, build(service, **words), since or {})

    return make
