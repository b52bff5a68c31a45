"""Plans' `create` and what they make, for the tests of several rooms."""

from __future__ import annotations

from rollout.errors import ClusterError
from rollout.route.create.creation import NEVER
from tests.support.routes import Json, merged

RULED: Json = {"destinationRule": "reviews-rule", "create": {}}


HOSTS: Json = {"hosts": {"stable": "reviews-v1", "canary": "reviews-v2"}, "create": {}}


PARENT: Json = {"parentRefs": [{"name": "edge"}], "port": 80}


METADATA = {
    "namespace": "ns",
    "resourceVersion": NEVER,
    "labels": {"app.kubernetes.io/managed-by": "surefoot"},
    "annotations": {"made.surefoot.dev/reviews": "reviews-v2"},
}


PEERED: Json = {
    "mtls": {
        "mode": "strict",
        "peerAuthentication": "reviews",
        "create": {"pods": "app=reviews,example.org/tier=web"},
    }
}


class Store:
    """Objects by kind and name, as an API server keeps them."""

    def __init__(self, error=None):
        self.held, self.error, self.calls = {}, error, []

    def get(self, kind, _namespace, name):
        self.calls.append(f"get {kind.name}")
        if (kind.name, name) not in self.held:
            raise ClusterError(f'{kind.plural} "{name}" not found', 404)
        return self.held[kind.name, name]

    def apply(self, kind, _namespace, body):
        self.calls.append(f"apply {kind.name}")
        if self.error is not None:
            raise self.error
        live = {**body, "metadata": body["metadata"] | {"resourceVersion": "7", "uid": "u"}}
        self.held[kind.name, body["metadata"]["name"]] = live

    def patch(self, kind, _namespace, name, body, *, dry=False):
        self.calls.append(f"patch {kind.name}")
        self.held[kind.name, name] = merged(self.held[kind.name, name], body)
        return self.held[kind.name, name]
