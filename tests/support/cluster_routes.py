"""A namespace with routes on a real API server, as its people and as a rollout see it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from rollout.errors import RouteError
from rollout.ports import Router
from rollout.simulate import MemoryRouter
from tests.live.kube import Kube

ISTIO = "/apis/networking.istio.io/v1beta1"


GATEWAY = "/apis/gateway.networking.k8s.io/v1"


@dataclass
class MeshNamespace:
    """A namespace as its people see it."""

    cluster: Kube
    namespace: str

    def path(self, plural="virtualservices", name="reviews"):
        group = ISTIO if plural in {"virtualservices", "destinationrules"} else GATEWAY
        return f"{group}/namespaces/{self.namespace}/{plural}/{name}"

    def create(self, manifest, plural="virtualservices"):
        where = self.path(plural, "").removesuffix("/")
        created = self.cluster.ask(
            "POST", where, manifest | {"apiVersion": _version_of(self.path(plural))}
        )
        assert created["kind"] == manifest["kind"], created
        return created

    def get(self, plural="virtualservices"):
        return self.cluster.ask("GET", self.path(plural))

    def edit(self, patch, plural="virtualservices", subpath=""):
        """An edit by hand."""
        edited = self.cluster.ask("PATCH", self.path(plural) + subpath, patch)
        assert edited["kind"] != "Status", edited

    def weigh(self, *weights):
        """Move the weights of the first route by hand."""
        http = self.get()["spec"]["http"]
        for entry, weight in zip(http[0]["route"], weights, strict=True):
            entry["weight"] = weight
        self.edit({"spec": {"http": http}})

    def weights(self, route=0):
        return [
            destination.get("weight") for destination in self.get()["spec"]["http"][route]["route"]
        ]


def _version_of(path):
    return path.removeprefix("/apis/").partition("/namespaces")[0]


@dataclass
class LiveRouter(MemoryRouter):
    """Simulated traffic that follows the weights of a real VirtualService."""

    inner: Router = field(default_factory=MemoryRouter)
    deaf: bool = False
    last: float = 0.0

    def write(self, plan, split, mark, before=None, *, is_last=False):
        self.inner.write(plan, split, mark, before, is_last=is_last)
        self.writes.append((plan.id, split, mark))

    def read(self, plan, total, before=None):
        return self.inner.read(plan, total, before)

    def share(self, plan):
        with contextlib.suppress(RouteError):  # nobody can ask, but traffic flows on
            self.last = self.inner.read(plan, 10_000).split.share
        return 0.0 if self.deaf else self.last


def climbed(lab, canary=5):
    """The rollout, when its mesh has shown this weight for a while."""
    lab.run_until(lambda state: state.split.canary == canary and not state.delivery.is_open)
    lab.router.share(lab.plan)  # its traffic follows, whatever happens next
    return lab
