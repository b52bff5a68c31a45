"""The setting of a story: the plan, the two versions, and what stands around them."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from itertools import accumulate
from typing import Any

from rollout.errors import InputError
from rollout.plan.model.plan import Plan

SERVICE, NAMESPACE = "svc", "default"
STABLE, CANARY = "v1", "v2"
MARGIN = 0.05  # absolute, of failed requests
STABLE_ERRORS = 0.01
SCRAPE = 5.0  # seconds
TOKENS, DECISIONS = "tokens_total", "rewrite_decisions_total"
NEIGHBOURS = ("near-1", "near-2", "near-3", "near-4")  # each on servers of its own
SITE, SITES = "site", ("north", "south", "west")  # a label of clients, and its values
TIMES = 1.5  # by which a canary's mean number of tokens may be higher

CHOICES: Mapping[str, tuple[str, ...]] = {
    "canary": ("same", "perfect", "edge", "harmful", "dead", "late"),
    "mesh": ("istio", "gateway", "envoy"),
    "start": ("stable", "swapped", "half", "tenth"),
    "pin": ("no", "yes"),
    "guardrails": ("errors", "latency", "verdict", "ratio", "exposure"),
    "drift": ("pause", "adopt", "revert"),
    "blind": ("pause", "rollback"),
    "inconclusive": ("pause", "rollback", "promote"),
    "traffic": ("weights", "mirror", "holdback"),
    "hooks": ("no", "yes"),
    "replicas": ("1", "2"),
    "journals": ("1", "2"),
    "clients": ("2", "1", "3"),
    "starts": ("known", "unknown"),
    "rate": ("200", "20", "2"),
    "services": ("1", "2"),
    "bake": ("10s", "30s"),
    "routes": ("1", "2"),
    "version": ("new", "old"),
    "policy": ("no", "yes"),
    "authority": ("full", "observe", "abort-only", "advance"),
    "experiment": ("no", "fixed", "asking", "adaptive"),
    "neighbours": ("0", "4"),
    "segments": ("no", "yes"),
    "third": ("no", "yes"),
    "judges": ("no", "one", "changing"),
}
"""What a setting may be; the first of each is the plain one, to which a story is shrunk."""

POLICY_OF_PLAN: Mapping[str, Any] = {
    "outliers": {"consecutiveErrors": 3},
    "connections": {"pending": 64},
}
"""A plan's policy, of fields that only a DestinationRule has."""

_WEIGHTS: Mapping[str, tuple[float, ...]] = {
    "canary": (0.3, 0.2, 0.1, 0.2, 0.1, 0.1),
    "mesh": (0.4, 0.4, 0.2),
    "start": (0.91, 0.03, 0.03, 0.03),
    "pin": (0.85, 0.15),
    "guardrails": (0.7, 0.15, 0.08, 0.04, 0.03),
    "traffic": (0.7, 0.2, 0.1),
    "hooks": (0.8, 0.2),
    "replicas": (0.8, 0.2),
    "journals": (0.95, 0.05),
    "clients": (0.5, 0.4, 0.1),
    "starts": (0.8, 0.2),
    "rate": (0.85, 0.12, 0.03),
    "services": (0.85, 0.15),
    "bake": (0.85, 0.15),
    "routes": (0.85, 0.15),
    "version": (0.95, 0.05),
    "policy": (0.8, 0.2),
    "authority": (0.85, 0.05, 0.05, 0.05),
    "experiment": (0.88, 0.03, 0.03, 0.06),
    "neighbours": (1.0, 0.0),  # in stories of their own: see `draw`
    "segments": (0.92, 0.08),
    "third": (0.85, 0.15),
    "judges": (0.94, 0.03, 0.03),
}

_EXPERIMENTS: Mapping[str, Mapping[str, Any]] = {
    "fixed": {"end": {"looks": 8}, "winner": "promote"},
    "asking": {"end": {"after": "20s"}},
    "adaptive": {
        "end": {"looks": 14},
        "winner": "promote",
        "allocation": {"floor": "20%", "cap": "80%", "every": 3},
    },
}
"""A plan's experiment; what wins in it is a canary without errors."""

SHOWN = "shown"  # the guardrail that is no evidence
_SHOWN: Mapping[str, Mapping[str, Any]] = {
    "ratio": {
        "ratio": {
            "sum": {"series": TOKENS},
            "count": {"series": "istio_requests_total"},
            "unit": "tokens",
        },
        "times": TIMES,
    },
    "exposure": {"exposure": {"series": DECISIONS}},
}


QUALITY, PREFERRED, PEOPLE = "quality", "preferred", "people"
"""Guardrails of what a judge scores, of pairs of answers, and of what people say of them."""
PAIRS, LABELS = "summary_pairs_total", "summary_label_pairs_total"
_VERDICTS: Mapping[str, Any] = {
    "name": QUALITY,
    "template": "quality/verdict",
    "margin": {"absolute": "10%"},
    "lag": "5s",
}
_JUDGED: tuple[Mapping[str, Any], ...] = (
    {**_VERDICTS, "labels": {"judge": "judge"}},
    {"name": PREFERRED, "pairs": {"series": PAIRS}, "margin": {"absolute": "20%"}},
    {
        "name": PEOPLE,
        "human": {"of": QUALITY, "series": LABELS, "judge": "said"},
        "labels": {"version": "version"},
    },
)


@dataclass(frozen=True)
class Setting:
    """One choice of each of CHOICES, by name."""

    canary: str = "same"
    mesh: str = "istio"
    start: str = "stable"
    pin: str = "no"
    guardrails: str = "errors"
    drift: str = "pause"
    blind: str = "pause"
    inconclusive: str = "pause"
    traffic: str = "weights"
    hooks: str = "no"
    replicas: str = "1"
    journals: str = "1"
    clients: str = "2"
    starts: str = "known"
    rate: str = "200"
    services: str = "1"
    bake: str = "10s"
    routes: str = "1"
    version: str = "new"
    policy: str = "no"
    authority: str = "full"
    experiment: str = "no"
    neighbours: str = "0"
    segments: str = "no"
    third: str = "no"
    judges: str = "no"

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Setting:
        """Return the setting of these values. Raises InputError for others than CHOICES."""
        for name, value in values.items():
            if name not in CHOICES:
                raise InputError(f"there is no setting {name}: one of {', '.join(CHOICES)}")
            if value not in CHOICES[name]:
                raise InputError(f"{name} is one of {', '.join(CHOICES[name])}, not {value}")
        return cls(**values)

    @classmethod
    def draw(cls, throw: Callable[[str], float]) -> Setting:
        """Return a random setting by a throw for each name; the odd ones are rare."""
        picked = {}
        for name, options in CHOICES.items():
            shares = _WEIGHTS.get(name, (1 / len(options),) * len(options))
            index = bisect(list(accumulate(shares)), throw(name))
            picked[name] = options[min(index, len(options) - 1)]
        return cls(**picked)

    def differences(self) -> Iterator[str]:
        """Yield what is not plain, as `name=value`."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                yield f"{field.name}={value}"

    def is_moved_by_others(self) -> bool:
        """Whether the weights are others' to move: the controller only observes."""
        return self.authority in {"observe", "abort-only"}

    def is_harmful(self) -> bool:
        """Whether the canary is worse than the plan allows from some time on."""
        return self.canary in {"harmful", "dead", "late"}


@cache
def build_plan(setting: Setting, service: str = SERVICE, canary: str = CANARY) -> Plan:
    """Return the plan of a setting; small enough that it ends within two minutes."""
    plan = {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "RolloutPlan",
        "metadata": {"name": f"{service}-{canary}", "namespace": NAMESPACE},
        "spec": {
            "service": service,
            "stable": {"version": STABLE},
            "canary": {"version": canary},
            "route": _build_route(setting, service, canary),
            "ramp": {"steps": ["10%", "50%"], "bake": setting.bake},
            "guardrails": _list_guardrails(setting),
            "prometheus": {"scrape": f"{SCRAPE:g}s", "url": _name_server(service)},
            "interval": f"{SCRAPE:g}s",
            "warmup": "5s",
            "whenBlind": {"hold": "30s", "then": setting.blind},
            "deadline": "150s",
            "whenInconclusive": setting.inconclusive,
            "onDrift": setting.drift,
            "patience": "60s",
            "followWithin": "30s",
            "drain": "3s",
            **_build_ways(setting),
        },
    }
    return Plan.model_validate(plan)


def _name_server(service: str) -> str:
    """Return the address of the Prometheus that a service's plan reads."""
    host = f"prometheus-{service}" if service in NEIGHBOURS else "prometheus"
    return f"http://{host}:9090"


def _build_route(setting: Setting, service: str, canary: str) -> dict[str, Any]:
    if setting.mesh == "gateway":
        arms = {"stable": f"{service}-{STABLE}", "canary": f"{service}-{canary}"}
        return {"gateway": {"httpRoute": service, "backends": arms}}
    if setting.mesh == "envoy":
        number = 1 + NEIGHBOURS.index(service) if service in NEIGHBOURS else 0
        admin = f"http://127.0.0.1:{9901 + number}"
        return {"envoy": {"file": f"{service}.json", "admin": admin}}
    return {"istio": {"virtualService": service, "destinationRule": service}}


def _list_guardrails(setting: Setting) -> list[dict[str, Any]]:
    guardrails: list[dict[str, Any]] = [
        {"name": "errors", "template": "istio/errors", "margin": {"absolute": "5%"}}
    ]
    if setting.guardrails == "latency":
        guardrails.append({"name": "latency", "template": "istio/latency", "tolerance": "100%"})
    if setting.judges != "no":
        guardrails += map(dict, _JUDGED)
    elif setting.guardrails == "verdict":
        guardrails.append(dict(_VERDICTS))
    if setting.guardrails in _SHOWN:
        labels = {"service": "destination_service_name", "version": "destination_version"}
        guardrails.append({"name": SHOWN, "labels": labels, **_SHOWN[setting.guardrails]})
    return guardrails


def _build_ways(setting: Setting) -> dict[str, Any]:
    ways: dict[str, Any] = {}
    if setting.traffic == "mirror":
        ways["traffic"] = {"mirror": {"share": "50%", "lasts": "10s"}}
    if setting.traffic == "holdback":
        ways["holdback"] = {"share": "10%", "lasts": "10s"}
    if setting.policy == "yes" and setting.mesh == "istio":
        ways["policy"] = POLICY_OF_PLAN
    if setting.experiment != "no":
        inconclusive = setting.inconclusive if setting.inconclusive != "promote" else "pause"
        ways["whenInconclusive"] = inconclusive  # who won nothing is not promoted
        ways["goals"] = [{"guardrail": "errors"}]
        ways["experiment"] = _EXPERIMENTS[setting.experiment]
    if setting.segments != "no":
        split = {"label": SITE, "values": [*SITES], "guardrails": ["errors"], "atLeast": 1}
        ways["segments"] = [split]
    if setting.authority != "full":
        ways["authority"] = setting.authority
    if setting.hooks == "yes":
        ways["hooks"] = [
            {"name": "before", "when": "before", "url": "http://hooks/before"},
            {"name": "done", "when": "promoted", "url": "http://hooks/promoted"},
            {"name": "back", "when": "rolledBack", "url": "http://hooks/back"},
        ]
    return ways
