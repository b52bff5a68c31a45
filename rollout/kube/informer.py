"""Wraps the official informer, which caches all objects of a kind by a watch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from kubernetes.client import ApiClient, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.informer import SharedInformer
from urllib3.exceptions import HTTPError

from rollout.backoff import backoff
from rollout.kube.kinds import Json, Kind
from rollout.kube.refusals import refusal, silence

RELIST = 300  # seconds; the next list finds what the watch has lost
_LEAST, _MOST = 0.2, 30.0  # seconds between two requests, growing while they fail
_CONNECT = 2.0
_NOT_FOUND = 404
_UNKNOWN = "the cluster does not know this kind; apply its definition first (manifests/crd*.yaml)"


class Informer:
    """A cache of every object of a kind, in one namespace or in all.

    `SharedInformer` (kubernetes 37) lacks two things that this class adds. It cannot read the lists
    of custom resources, which are mappings instead of models. And when a request fails it sends
    the next one at once, without a back-off.
    """

    def __init__(
        self,
        api: ApiClient,
        kind: Kind,
        namespace: str | None,
        on_problem: Callable[[str], None],
        relist: int = RELIST,
    ) -> None:
        objects: Any = CustomObjectsApi(api)
        self._kind, self._namespace, self._relist = kind, namespace, relist
        self._call = (
            objects.list_namespaced_custom_object
            if namespace
            else objects.list_custom_object_for_all_namespaces
        )
        self._on_problem = on_problem
        self._synced, self._over = threading.Event(), threading.Event()
        self._watching = False
        # Requests since the last answer, which itself counts as one: so even a server that ends
        # every watch at once is asked with a pause.
        self._requests = 0
        informer: Any = SharedInformer  # the library has no types
        self._informer = informer(self._ask, resync_period=relist)
        logging.getLogger("kubernetes.informer").setLevel(logging.CRITICAL)  # `on_problem` reports

    def start(self) -> None:
        self._informer.start()

    def stop(self) -> None:
        self._over.set()
        self._informer.stop()

    def wait(self, seconds: float) -> bool:
        """Wait for the first complete list; tell whether it arrived in time."""
        return self._synced.wait(seconds)

    def list(self) -> Sequence[Json] | None:
        """Return every object as last seen; None until the first complete list."""
        objects: list[Json] = self._informer.cache.list()
        return objects if self._synced.is_set() else None

    def find(self, namespace: str, name: str) -> Json | None:
        """Return one object as last seen; None if it is absent or no watch is open now.

        Without an open watch the cache may be stale, and the caller has to send a request.
        """
        cached: Json | None = self._informer.cache.get_by_key(f"{namespace}/{name}")
        return cached if self._watching else None

    def _ask(self, **options: Any) -> object:
        """List or watch, as the informer's options say.

        :rtype: object
        """
        # The client's Watch parses the `:rtype:` line: without it, it would not track the
        # resourceVersion.
        self._watching = False  # a new request means that the previous watch has ended
        if self._over.wait(backoff(self._requests, _LEAST, _MOST)):
            raise InterruptedError
        self._requests += 1
        watch = "watch" in options
        if watch:
            self._synced.set()  # the informer starts to watch only when its cache holds the list
        answer = self._send(options)
        self._requests, self._watching = 1, watch
        return answer

    def _send(self, options: dict[str, Any]) -> Any:
        scope = {"namespace": self._namespace} if self._namespace else {}
        kind = {"group": self._kind.group, "version": self._kind.version}
        plural = "plural" if self._namespace else "resource_plural"
        path = {**kind, **scope, plural: self._kind.plural}
        # The server itself ends a watch after `relist` seconds; 15 more are a margin.
        timeout = (_CONNECT, self._relist + 15.0)
        try:
            answer = self._call(**path, **options, _request_timeout=timeout)
            return answer if "watch" in options else _listed(answer)
        except ApiException as error:
            message = _UNKNOWN if error.status == _NOT_FOUND else refusal(error)
            self._on_problem(f"cannot watch {self._kind.plural}: {message}")
            raise
        except (HTTPError, OSError) as error:
            self._on_problem(f"cannot watch {self._kind.plural}: {silence(error)}")
            raise
        except Exception as error:
            self._on_problem(f"cannot watch {self._kind.plural}: an odd answer ({error!r})")
            raise


def _listed(answer: Json) -> SimpleNamespace:
    """Convert a list to the shape of the library's models, and add the kind to each item."""
    head = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}
    metadata = SimpleNamespace(resource_version=answer["metadata"]["resourceVersion"])
    return SimpleNamespace(items=[{**head, **item} for item in answer["items"]], metadata=metadata)
