"""The door to the official informer: all resources of a kind, kept up to date by a watch."""

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
from rollout.kube.client import refusal, silence
from rollout.kube.kinds import Json, Kind

RELIST = 300  # seconds; what a watch has lost is found at the next list
_LEAST, _MOST = 0.2, 30.0  # seconds between two requests, growing while they fail
_CONNECT = 2.0
_NOT_FOUND = 404
_UNKNOWN = "the cluster does not know this kind; apply its definition first (manifests/crd*.yaml)"


class Informer:
    """A cache of every object of a kind, in one namespace or in all.

    `SharedInformer` (kubernetes 37) as it is, with what it lacks for custom resources: their lists
    are mappings, which it cannot read; and it asks again at once, for ever, when nobody answers.
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
        self._asked = 0  # times since the last answer, which counts as one
        informer: Any = SharedInformer  # without types
        self._informer = informer(self._ask, resync_period=relist)
        logging.getLogger("kubernetes.informer").setLevel(logging.CRITICAL)  # we tell, once

    def start(self) -> None:
        self._informer.start()

    def stop(self) -> None:
        self._over.set()
        self._informer.stop()

    def wait(self, seconds: float) -> bool:
        """Whether everything is known within this time."""
        return self._synced.wait(seconds)

    def list(self) -> Sequence[Json] | None:
        """Every object as last seen; None while nothing is known, unlike when there are none."""
        objects: list[Json] = self._informer.cache.list()
        return objects if self._synced.is_set() else None

    def find(self, namespace: str, name: str) -> Json | None:
        """One object as last seen; None where there is none, or no watch that would tell."""
        found: Json | None = self._informer.cache.get_by_key(f"{namespace}/{name}")
        return found if self._watching else None

    def _ask(self, **options: Any) -> object:
        """List or watch, as the informer wants it.

        :rtype: object
        """
        # The line above is read by the client's Watch: without it, it would not keep versions.
        self._watching = False  # the watch before has ended, or there was none
        if self._over.wait(backoff(self._asked, _LEAST, _MOST)):
            raise InterruptedError
        self._asked += 1
        watch = "watch" in options
        if watch:
            self._synced.set()  # the informer watches when it has put the whole list in place
        answer = self._send(options)
        self._asked, self._watching = 1, watch
        return answer if watch else _listed(answer)

    def _send(self, options: dict[str, Any]) -> Any:
        place = {"namespace": self._namespace} if self._namespace else {}
        kind = {"group": self._kind.group, "version": self._kind.version}
        plural = "plural" if self._namespace else "resource_plural"
        path = {**kind, **place, plural: self._kind.plural}
        timeout = (_CONNECT, self._relist + 15.0)  # the server ends a watch after `relist`
        try:
            return self._call(**path, **options, _request_timeout=timeout)
        except ApiException as error:
            said = _UNKNOWN if error.status == _NOT_FOUND else refusal(error)
            self._on_problem(f"cannot watch {self._kind.plural}: {said}")
            raise
        except (HTTPError, OSError) as error:
            self._on_problem(f"cannot watch {self._kind.plural}: {silence(error)}")
            raise


def _listed(answer: Json) -> SimpleNamespace:
    """A list as the generated models of built-in kinds look; items do not name their kind."""
    head = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}
    metadata = SimpleNamespace(resource_version=answer["metadata"]["resourceVersion"])
    return SimpleNamespace(items=[{**head, **item} for item in answer["items"]], metadata=metadata)
