"""A stand-in for the nodes of a cluster: no container runs, but pods come and go as if one did.

What the scheduler and a kubelet would do, and nothing else: a new pod is bound, gets an address,
and reports the state that a test asks for; a pod that is deleted is gone. All that follows (the
status of Deployments, EndpointSlices) is the work of Kubernetes' own controllers.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Protocol

from tests.live.control_plane import PODS

NAME = "stand-in"
_POLL = 0.05
_RETRY = 0.2

Json = dict[str, Any]


class Api(Protocol):
    """What is asked of the API server."""

    def ask(self, method: str, path: str, body: Json | None = None) -> Json: ...

    def watch(self, path: str) -> contextlib.AbstractContextManager[Iterator[Json]]: ...


class Workload(Protocol):
    """What runs in the pods."""

    def start(self, pod: Json, address: str) -> None:
        """The pod's containers have started; its address is on this machine."""

    def stop(self, address: str) -> None:
        """They have stopped."""


class NoWorkload:
    """Pods in which nothing runs."""

    def start(self, pod: Json, address: str) -> None:
        pass

    def stop(self, address: str) -> None:
        pass


@dataclass(frozen=True)
class State:
    """The state that a pod reports `after` seconds, once it has started."""

    ready: bool = True
    crashing: bool = False
    after: float = 0.0


READY = State()
UNREADY = State(ready=False)
CRASHING = State(ready=False, crashing=True)


def slow(seconds: float) -> State:
    """Ready, but only so long after its start."""
    return State(after=seconds)


@dataclass
class _Pod:
    document: Json
    address: str
    begun: float
    running: bool = False
    reported: State | None = None
    leaving: float | None = None


class Node:
    """Carries out what the API server says of pods; `set_state` is the test's remote control.

    A deleted pod serves for `grace` seconds more, as a process does that drains its connections.
    """

    def __init__(self, api: Api, workload: Workload | None = None, grace: float = 0.0) -> None:
        self._api, self._workload, self._grace = api, workload or NoWorkload(), grace
        self._states: list[tuple[str, Mapping[str, str], State]] = []
        self._pods: dict[tuple[str, str], _Pod] = {}
        self._events: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._addresses = map(str, itertools.islice(ip_network(PODS).hosts(), 1, None))
        self._over = threading.Event()
        self._lock = threading.Lock()

    def set_state(self, namespace: str, labels: Mapping[str, str], state: State) -> None:
        """All pods with these labels, and those to come, report this state from now on."""
        with self._lock:
            self._states.insert(0, (namespace, labels, state))

    @contextmanager
    def running(self) -> Iterator[Node]:
        self._api.ask("POST", "/api/v1/nodes", {"metadata": {"name": NAME}})
        threads = [threading.Thread(target=loop) for loop in (self._watch, self._work)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _watch(self) -> None:
        """Every pod as it is, and each change; from the start again when the server is away."""
        while not self._over.is_set():
            with contextlib.suppress(OSError, ValueError, KeyError):
                pods = self._api.ask("GET", "/api/v1/pods")
                self._events.put({"type": "LISTED", "object": pods})
                version = pods["metadata"]["resourceVersion"]
                # The server ends it after two seconds, so that a test's end does not wait for long.
                query = f"watch=1&timeoutSeconds=2&resourceVersion={version}"
                with self._api.watch(f"/api/v1/pods?{query}") as events:
                    for event in events:
                        self._events.put(event)
                continue
            self._over.wait(_RETRY)

    def _work(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(queue.Empty):
                self._take(self._events.get(timeout=_POLL))
            for key, pod in [*self._pods.items()]:
                # What fails now is tried again at the next turn.
                with contextlib.suppress(OSError, ValueError):
                    self._carry_on(key, pod)
        for pod in self._pods.values():
            self._stop(pod)

    def _take(self, event: Json) -> None:
        document = event["object"]
        if event["type"] == "LISTED":
            self._take_all(document["items"])
            return
        if document.get("kind") != "Pod":
            return  # the end of a watch, in words
        metadata = document["metadata"]
        key = metadata["namespace"], metadata["name"]
        if event["type"] == "DELETED":
            if pod := self._pods.pop(key, None):
                self._stop(pod)
            return
        now = time.monotonic()
        if key not in self._pods:
            address = document.get("status", {}).get("podIP") or next(self._addresses)
            self._pods[key] = _Pod(document, address, now)
        pod = self._pods[key]
        pod.document = document
        if "deletionTimestamp" in metadata and pod.leaving is None:
            pod.leaving = now + self._grace

    def _take_all(self, documents: list[Json]) -> None:
        for document in documents:
            self._take({"type": "MODIFIED", "object": {"kind": "Pod", **document}})
        listed = {
            (document["metadata"]["namespace"], document["metadata"]["name"])
            for document in documents
        }
        for key in self._pods.keys() - listed:
            self._stop(self._pods.pop(key))

    def _carry_on(self, key: tuple[str, str], pod: _Pod) -> None:
        now = time.monotonic()
        path = "/api/v1/namespaces/{}/pods/{}".format(*key)
        if pod.leaving is not None:
            if now >= pod.leaving:
                self._stop(pod)
                self._api.ask("DELETE", path, {"gracePeriodSeconds": 0})
                pod.leaving = now + 1.0  # its DELETED event takes it away; if not, once more
            return
        state = self._state(key[0], pod)
        if now < pod.begun + state.after:
            state = UNREADY
        if state == pod.reported:
            return
        if "nodeName" not in pod.document["spec"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
            body = {"metadata": {"name": key[1]}, "target": target}
            answer = self._api.ask("POST", f"{path}/binding", body)
            if answer.get("status") != "Success" and answer.get("code") != 409:
                return
        self._run(pod, running=not state.crashing)
        answer = self._api.ask("PATCH", f"{path}/status", {"status": _status(pod, state)})
        if answer.get("kind") == "Pod":
            pod.reported = state

    def _state(self, namespace: str, pod: _Pod) -> State:
        labels = pod.document["metadata"].get("labels", {})
        with self._lock:
            for state_namespace, wanted, state in self._states:
                if state_namespace == namespace and wanted.items() <= labels.items():
                    return state
        return READY

    def _run(self, pod: _Pod, *, running: bool) -> None:
        if running and not pod.running:
            self._workload.start(pod.document, pod.address)
            pod.running = True
        elif not running:
            self._stop(pod)

    def _stop(self, pod: _Pod) -> None:
        if pod.running:
            self._workload.stop(pod.address)
            pod.running = False


def _status(pod: _Pod, state: State) -> Json:
    """What a kubelet would report."""
    ready = "True" if state.ready else "False"
    kinds = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": ready}
    containers = []
    for container in pod.document["spec"]["containers"]:
        status: Json = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": state.ready,
            "restartCount": 0,
            "state": {"running": {}},
        }
        if state.crashing:
            status["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
            status["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
            status["restartCount"] = 5
        containers.append(status)
    return {
        "phase": "Running",
        "podIP": pod.address,
        "podIPs": [{"ip": pod.address}],
        "conditions": [
            {"type": kind, "status": status} for kind, status in (kinds | {"Ready": ready}).items()
        ],
        "containerStatuses": containers,
    }
