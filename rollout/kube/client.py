"""The door to the Kubernetes client: objects read and patched, each call bounded in time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import kubernetes.config
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from rollout.errors import ClusterError, InputError
from rollout.kube.kinds import Json, Kind

_CONFIG: Any = kubernetes.config  # without types
_MANAGER = "surefoot"
_TIMEOUT = (2.0, 5.0)  # seconds to connect, and between two pieces of an answer


class Cluster:
    """One API server through one connection pool. Every method raises ClusterError."""

    def __init__(self, api: client.ApiClient) -> None:
        self.api = api
        # Any: the generated signatures are longer than what they say of a custom resource.
        self._objects: Any = client.CustomObjectsApi(api)
        self._core: Any = client.CoreV1Api(api)
        self._access: Any = client.AuthorizationV1Api(api)

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """The object as the API server holds it."""
        return self._ask(self._objects.get_namespaced_custom_object, *_path(kind, namespace, name))

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """The object as it was made; 409 when there is one of its name."""
        path = kind.group, kind.version, namespace, kind.plural
        return self._ask(self._objects.create_namespaced_custom_object, *path, body)

    def replace(self, kind: Kind, namespace: str, name: str, body: Json) -> Json:
        """The object as a whole, at the `metadata.resourceVersion` of the body; 409 at another."""
        call = self._objects.replace_namespaced_custom_object
        return self._ask(call, *_path(kind, namespace, name), body)

    def patch(
        self, kind: Kind, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json:
        """The object after a merge patch: null removes a key, a list is replaced as a whole.

        `metadata.resourceVersion` in the patch makes it conditional: 409 when it is another one.
        With `dry` nothing is kept: the answer is the object as it would be, without those fields
        that the API server does not know.
        """
        call = self._objects.patch_namespaced_custom_object
        options = {"dry_run": "All"} if dry else {}
        return self._ask(call, *_path(kind, namespace, name), body, **options)

    def apply(self, kind: Kind, namespace: str, body: Json) -> None:
        """Server-side apply as `surefoot`, without force.

        With a `metadata.resourceVersion` that no object ever had it only makes one: 409 when there
        is one of its name. 409 also when somebody else owns a field that would change.
        """
        path = _path(kind, namespace, body["metadata"]["name"])
        call = self._objects.patch_namespaced_custom_object
        document = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        options = {"field_manager": _MANAGER, "_content_type": "application/apply-patch+yaml"}
        self._ask(call, *path, document, **options)

    def delete(self, kind: Kind, namespace: str, name: str, metadata: Json) -> None:
        """Delete the object of this `uid` and `resourceVersion`; 409 when it is another one."""
        read = {key: metadata[key] for key in ("uid", "resourceVersion")}
        call = self._objects.delete_namespaced_custom_object
        self._ask(call, *_path(kind, namespace, name), body={"preconditions": read})

    def patch_status(self, kind: Kind, namespace: str, name: str, body: Json) -> Json:
        """The object after a merge patch of its status; the rest of it stays as it is.

        `metadata.resourceVersion` in the patch makes it conditional: 409 when it is another one.
        """
        call = self._objects.patch_namespaced_custom_object_status
        return self._ask(call, *_path(kind, namespace, name), body)

    def tell(self, event: Json) -> None:
        """Create an Event; one of that name that is there already was told before."""
        try:
            self._ask(
                self._core.create_namespaced_event,
                event["metadata"]["namespace"],
                event,
                _preload_content=False,  # its model refuses nothing that matters to us
            )
        except ClusterError as error:
            if error.status != 409:
                raise

    def may(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        """Whether we may do this; `resource` is `plural` or `plural/subresource`, names may be
        empty: all.
        """
        plural, _, subresource = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
        review = {"spec": {"resourceAttributes": {**asked, "namespace": namespace, "name": name}}}
        answer: Any = self._ask(self._access.create_self_subject_access_review, review)
        return bool(answer.status.allowed)

    def first(self, kind: Kind, namespace: str) -> Json:
        """A list of one object at most: whether the kind is there, and may be listed."""
        path = kind.group, kind.version, namespace, kind.plural
        return self._ask(self._objects.list_namespaced_custom_object, *path, limit=1)

    def every(self, kind: Kind, namespace: str) -> list[Json]:
        """All objects of a kind; in a list none says of which kind it is, here each does."""
        path = kind.group, kind.version, namespace, kind.plural
        answer = self._ask(self._objects.list_namespaced_custom_object, *path)
        head = {"apiVersion": kind.api_version, "kind": kind.name}
        return [{**head, **each} for each in answer["items"]]

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Json:
        try:
            answer: Json = call(*arguments, _request_timeout=_TIMEOUT, **options)
        except ApiException as error:
            raise refusal(error) from None
        except (HTTPError, OSError) as error:
            raise silence(error) from None
        return answer


def _path(kind: Kind, namespace: str, name: str) -> tuple[str, ...]:
    return kind.group, kind.version, namespace, kind.plural, name


def connect(context: str | None = None) -> Cluster:
    """The cluster of the pod that we run in, else of the kubeconfig. Raises InputError."""
    settings, config = client.Configuration(), _CONFIG
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=settings)
        else:
            # The client itself reads KUBECONFIG only once, when it is imported.
            file = os.environ.get("KUBECONFIG") or None
            config.load_kube_config(file, context=context, client_configuration=settings)
    except (kubernetes.config.ConfigException, OSError) as error:
        raise InputError(f"no cluster: {error}") from None
    settings.retries = False  # urllib3 would try four times at once; we try again when it is due
    return Cluster(client.ApiClient(settings))


def refusal(error: ApiException) -> ClusterError:
    """What the API server itself said, in its own words."""
    try:
        said = str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        said = str(error.reason)
    return ClusterError(f"the API server said {error.status}: {said}", error.status or 0)


def silence(error: Exception) -> ClusterError:
    """Why there was no answer: the innermost reason, which urllib3 wraps several times."""
    reason: Any = error
    while isinstance(inner := getattr(reason, "reason", None) or reason.__cause__, Exception):
        reason = inner
    said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return ClusterError(f"the API server does not answer: {said.lower()}")
