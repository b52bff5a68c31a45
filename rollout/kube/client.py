"""The only user of the Kubernetes client: reads and writes objects, each call with a timeout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import kubernetes.config
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from rollout.answers.http import Limits, limit_pools
from rollout.answers.json_text import parse_json
from rollout.errors import ClusterError, InputError
from rollout.kube.kinds import CORE, Json, Kind
from rollout.kube.refusals import refusal, silence

_CONFIG: Any = kubernetes.config  # the library has no types
_MANAGER = "surefoot"
_MOST_VALUES = 8_000_000  # of one answer: the fields of ten thousand objects with their managers
_TIMEOUT = (2.0, 5.0)  # seconds to connect, and for the whole answer: a tick waits for it
_LIST_TIMEOUT = (2.0, 15.0)  # a list of thousands of objects may take a while
_LIMITS = Limits(times=1.0, most=256 * 2**20, plain=True)


class Cluster:
    """One API server through one connection pool. Every method raises ClusterError."""

    def __init__(self, api: client.ApiClient) -> None:
        self.api = api
        # Any: for custom resources the generated signatures say nothing that we could check.
        self._objects: Any = client.CustomObjectsApi(api)
        self._core: Any = client.CoreV1Api(api)
        self._access: Any = client.AuthorizationV1Api(api)

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return the object as the API server stores it."""
        if kind.group == CORE:
            return self._ask(self._core.read_namespaced_config_map, name, namespace)
        return self._ask(
            self._objects.get_namespaced_custom_object, *_build_path(kind, namespace, name)
        )

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """Create an object and return it; 409 if one of its name exists."""
        path = kind.group, kind.version, namespace, kind.plural
        return self._write(self._objects.create_namespaced_custom_object, *path, body)

    def replace(self, kind: Kind, namespace: str, name: str, body: Json) -> Json:
        """Replace the whole object; 409 unless it has the body's `metadata.resourceVersion`."""
        call = self._objects.replace_namespaced_custom_object
        return self._write(call, *_build_path(kind, namespace, name), body)

    def patch(
        self, kind: Kind, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json:
        """Apply a merge patch and return the object: null removes a key, lists are replaced whole.

        `metadata.resourceVersion` in the patch makes it conditional: 409 if the object has another.
        With `dry` nothing is stored: the answer is the object as it would be, without the fields
        that the API server does not know.
        """
        options = {"dry_run": "All"} if dry else {}
        if kind.group == CORE:
            call = self._core.patch_namespaced_config_map
            options["_content_type"] = "application/merge-patch+json"
            return self._write(call, name, namespace, body, **options)
        call = self._objects.patch_namespaced_custom_object
        return self._write(call, *_build_path(kind, namespace, name), body, **options)

    def apply(self, kind: Kind, namespace: str, body: Json) -> None:
        """Run a server-side apply as field manager `surefoot`, without force.

        It answers 409 if another manager owns a field that would change. To create only, pass a
        `metadata.resourceVersion` that no object can have: then 409 if one of its name exists.
        """
        path = _build_path(kind, namespace, body["metadata"]["name"])
        call = self._objects.patch_namespaced_custom_object
        document = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        options = {"field_manager": _MANAGER, "_content_type": "application/apply-patch+yaml"}
        with in_words():
            self._call(call, *path, document, **options)  # it answers in YAML, which nobody needs

    def delete(self, kind: Kind, namespace: str, name: str, metadata: Json) -> None:
        """Delete the object of this `uid` and `resourceVersion`; 409 if it is another one."""
        preconditions = {key: metadata[key] for key in ("uid", "resourceVersion")}
        call = self._objects.delete_namespaced_custom_object
        self._ask(call, *_build_path(kind, namespace, name), body={"preconditions": preconditions})

    def patch_status(self, kind: Kind, namespace: str, name: str, body: Json) -> Json:
        """Merge-patch only the object's status, and return the object.

        `metadata.resourceVersion` in the patch makes it conditional: 409 if the object has another.
        """
        call = self._objects.patch_namespaced_custom_object_status
        return self._write(call, *_build_path(kind, namespace, name), body)

    def tell(self, event: Json) -> None:
        """Create an Event; if one of its name exists, it was created before and nothing is done."""
        try:
            with in_words():
                self._call(
                    self._core.create_namespaced_event,
                    event["metadata"]["namespace"],
                    event,
                    field_manager=_MANAGER,
                    _preload_content=False,  # we do not need the answer as a model
                )
        except ClusterError as error:
            if error.status != 409:
                raise

    def may(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        """Tell whether our service account may do this (a SelfSubjectAccessReview).

        `resource` is `plural` or `plural/subresource`; an empty namespace or name means all.
        """
        plural, _, subresource = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
        attributes |= {"namespace": namespace, "name": name}
        review = {"spec": {"resourceAttributes": attributes}}
        answer = self._ask(self._access.create_self_subject_access_review, review)
        with in_words():
            return answer["status"]["allowed"] is True

    def endpoint_slices(self, namespace: str, service: str) -> list[Json]:
        """Return the EndpointSlices of a Service."""
        path = "discovery.k8s.io", "v1", namespace, "endpointslices"
        selector = f"kubernetes.io/service-name={service}"
        call = self._objects.list_namespaced_custom_object
        return _get_items(self._ask(call, *path, label_selector=selector))

    def service(self, namespace: str, name: str) -> Json:
        """Return a Service."""
        call = self._core.read_namespaced_service
        return self._ask(call, name, namespace)

    def pods(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """Return the pods that have all of these labels."""
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        call = self._core.list_namespaced_pod
        return _get_items(self._ask(call, namespace, label_selector=selector))

    def first(self, kind: Kind, namespace: str) -> Json:
        """List one object at most, to check that the kind exists and may be listed."""
        path = kind.group, kind.version, namespace, kind.plural
        return self._ask(self._objects.list_namespaced_custom_object, *path, limit=1)

    def every(self, kind: Kind, namespace: str) -> list[Json]:
        """Return all objects of a kind, each with the apiVersion and kind that list items lack."""
        path = kind.group, kind.version, namespace, kind.plural
        call = self._objects.list_namespaced_custom_object
        answer = self._ask(call, *path, _request_timeout=_LIST_TIMEOUT)
        head = {"apiVersion": kind.api_version, "kind": kind.name}
        return [{**head, **item} for item in _get_items(answer)]

    def _write(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Json:
        """Send what changes an object, as field manager `surefoot`.

        Without a name the API server records the client library's, and a conflict would name that.
        """
        return self._ask(call, *arguments, field_manager=_MANAGER, **options)

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Json:
        """Return an answer as plain data.

        The library would parse it without a bound, and built-in objects into models.
        """
        with in_words():
            answer: Any = self._call(call, *arguments, _preload_content=False, **options)
            return _check(parse_json(answer.data, most=_MOST_VALUES))

    def _call(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return call(*arguments, **{"_request_timeout": _TIMEOUT, **options})


@contextmanager
def in_words() -> Iterator[None]:
    """Turn whatever the client raises into a ClusterError.

    It reads answers into models, so an odd one makes it raise errors of many kinds.
    """
    try:
        yield
    except ApiException as error:
        raise refusal(error) from None
    except (HTTPError, OSError) as error:
        raise silence(error) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        raise ClusterError(f"the API server's answer cannot be used: {problem}") from None


def _check(answer: Any) -> Json:
    """Return an answer that is an object. Raises TypeError for any other."""
    if not isinstance(answer, dict):
        raise TypeError("it is no object")
    return answer


def _get_items(answer: Json) -> list[Json]:
    """Return a list's items. Raises ClusterError."""
    with in_words():
        items = answer["items"]
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise TypeError("it is no list of objects")
        return items


def _build_path(kind: Kind, namespace: str, name: str) -> tuple[str, ...]:
    return kind.group, kind.version, namespace, kind.plural, name


def connect(context: str | None = None) -> Cluster:
    """Connect to the cluster of our pod, else of the kubeconfig. Raises InputError."""
    settings, config = client.Configuration(), _CONFIG
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=settings)
        else:
            # Passed on by us: the library reads KUBECONFIG only once, when it is imported.
            file = os.environ.get("KUBECONFIG") or None
            config.load_kube_config(file, context=context, client_configuration=settings)
    except (kubernetes.config.ConfigException, OSError) as error:
        raise InputError(f"no cluster: {error}") from None
    settings.retries = False  # urllib3 would retry at once, four times; our callers back off
    api = client.ApiClient(settings)
    limit_pools(api.rest_client.pool_manager, _LIMITS)
    return Cluster(api)
