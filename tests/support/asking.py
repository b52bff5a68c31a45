"""Plans and asks for the tests of observers."""

from rollout.plan.fields.base import RECORDED
from rollout.plan.model.plan import Plan
from rollout.ports import Ask

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
LATENCY = {"name": "latency", "template": "envoy/latency", "tolerance": "10%"}


def plan(
    service="summarizer",
    guardrails=(ERRORS, LATENCY),
    url="http://p:9090",
    scrape="2s",
    access=None,
    *,
    versions=("v1", "v2"),
):
    """A plan that rolls v2 of a service out over v1, as a journal has it."""
    clusters = (
        {"clusters": {"stable": "old", "canary": "new"}} if set("/@") & set(versions[0]) else {}
    )
    envoy = {"file": "/etc/envoy/routes.json", "admin": "http://127.0.0.1:9901", **clusters}
    route = {"envoy": envoy}
    spec = {
        "service": service,
        "stable": {"version": versions[0]},
        "canary": {"version": versions[1]},
        "route": route,
        "ramp": {"steps": ["5%"], "bake": "10s"},
        "guardrails": list(guardrails),
        "prometheus": {"url": url, "access": access, "scrape": scrape},
        "interval": scrape,
    }
    document = {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "RolloutPlan",
        "metadata": {"name": service},
        "spec": spec,
    }
    return Plan.model_validate(document, context=RECORDED)


def ask(since=None, service="summarizer", **words):
    """What a rollout of `service` asks, whose id is the service's name."""
    return Ask(service, plan(service, **words), since or {})
