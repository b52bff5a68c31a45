"""A real Kubernetes, but for its nodes: one for all tests, and `kubectl` as a user has it."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest
import yaml

from rollout.demo.servers.process import Process, free_ports
from rollout.plan.kube import crd, template, trigger
from tests.live.control_plane import program, start_apiserver, start_controllers, start_etcd
from tests.live.node import Node, Workload
from tests.live.pipeline import until
from tests.servers import modules

ADMIN = "admin"
# Users by name with their groups; all but the first may do what a test's own Role grants, no more.
USERS = {ADMIN: "system:masters", "surefoot": "", "viewer": "", "nobody": ""}

Json = dict[str, Any]


@dataclass
class Kube:
    """Where the API server answers, and what is needed to be let in."""

    folder: Path
    etcd: int
    port: int
    apiserver: Process = field(init=False)
    node: Node = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the API server, at first or after `apiserver.kill()`."""
        tokens = self.folder / "tokens.csv"
        rows = [f'{_token(user)},{user},{user},"{groups}"\n' for user, groups in USERS.items()]
        tokens.write_text("".join(rows))
        self.apiserver = start_apiserver(self.folder, self.etcd, self.port, tokens)
        self.apiserver.wait_until(lambda: self.is_ready, 60)

    @property
    def is_ready(self) -> bool:
        """Whether the API server says so itself, custom resources included."""
        try:
            with self.request("/readyz") as answer:
                return bool(answer.status == HTTPStatus.OK)
        except OSError:  # nobody listens yet, its certificate is not there, or it is not ready
            return False

    def stop(self) -> None:
        self.apiserver.stop()

    @property
    def ca(self) -> Path:
        return self.folder / "certs" / "apiserver.crt"  # it signs for itself

    def config(self, user: str = ADMIN) -> Path:
        """A kubeconfig file for a user."""
        path = self.folder / f"{user}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": _token(user)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        # Whole at any moment: another thread's kubectl may read it now.
        with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as file:
            yaml.safe_dump(document, file)
        return Path(file.name).replace(path)

    def environment(self, user: str = ADMIN) -> dict[str, str]:
        """The environment of a process that speaks to this cluster as a user."""
        return {**os.environ, "KUBECONFIG": str(self.config(user)), "NO_PROXY": "127.0.0.1"}

    def kubectl(
        self, *arguments: str, user: str = ADMIN, given: Json | str = ""
    ) -> subprocess.CompletedProcess[str]:
        """`kubectl` as a user, with a manifest or a text on its standard input."""
        command = [program("kubectl"), f"--cache-dir={self.folder / 'discovery'}", *arguments]
        return subprocess.run(
            command,
            env=self.environment(user),
            input=given if isinstance(given, str) else json.dumps(given),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def get(self, *arguments: str) -> Json:
        """`kubectl get -o json`, which must succeed."""
        done = self.kubectl("get", *arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def apply(self, manifest: Json, *options: str) -> None:
        """`kubectl apply -f -`, which must succeed without a warning."""
        done = self.kubectl("apply", *options, "-f", "-", given=manifest)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr

    def ask(self, method: str, path: str, body: Json | None = None, user: str = ADMIN) -> Json:
        """The API server's own answer, past any client; a refusal's Status document included.

        A field that the server does not know is refused.
        """
        data = None if body is None else json.dumps(body).encode()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        if method in {"PATCH", "POST", "PUT"}:
            path += f"{'&' if '?' in path else '?'}fieldValidation=Strict"
        headers = {"Content-Type": kind}
        try:
            with self.request(path, user, data=data, headers=headers, method=method) as answer:
                return dict(json.load(answer))
        except HTTPError as refusal:
            with refusal:
                return dict(json.load(refusal))

    @contextmanager
    def watch(self, path: str) -> Iterator[Iterator[Json]]:
        """The events of a watch, until the server ends it."""
        with self.request(path, timeout=30) as lines:
            yield (dict(json.loads(line)) for line in lines)

    def request(self, path: str, user: str = ADMIN, timeout: float = 10, **options: Any) -> Any:
        """Open a path as a user, past any client; `options` are those of urllib's `Request`."""
        request = Request(self.url + path, **options)  # noqa: S310 - https
        request.add_header("Authorization", f"Bearer {_token(user)}")
        secured = HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca)))
        return build_opener(ProxyHandler({}), secured).open(request, timeout=timeout)

    def new_namespace(self) -> str:
        """A namespace of its own for a test."""
        name = f"test-{next(self._numbers)}"
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def allow(self, user: str, namespace: str, *rules: Json) -> None:
        """Let a user do this in a namespace, and nothing else."""
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        role = {"metadata": {"name": user}, "rules": [*rules]}
        binding = {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": user},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
        }
        if self.ask("POST", f"{rbac}/roles", role).get("code") == _CONFLICT:
            self.ask("PATCH", f"{rbac}/roles/{user}", role)
        self.ask("POST", f"{rbac}/rolebindings", binding)


_RBAC = "rbac.authorization.k8s.io"
_CONFLICT = 409


def _token(user: str) -> str:
    return f"{user}-token"


@contextmanager
def kube(folder: Path, workload: Workload | None = None, grace: float = 0.0) -> Iterator[Kube]:
    """Etcd, the API server with all definitions, the controllers, and a stand-in for nodes."""
    client, peer, port = free_ports(3)
    running = Kube(folder, client, port)
    with start_etcd(folder, client, peer), ExitStack() as stack:
        running.start()
        stack.callback(running.stop)
        stack.enter_context(start_controllers(folder, running.config()))
        crds = [crd.definition(), trigger.definition(), template.definition(), *_upstream()]
        for definition in crds:
            answer = running.ask("POST", _DEFINITIONS, definition)
            assert answer["kind"] == "CustomResourceDefinition", answer
        names = [definition["metadata"]["name"] for definition in crds]
        until(lambda: all(_is_established(running, name) for name in names), "established CRDs")
        running.node = stack.enter_context(Node(running, workload, grace).running())
        yield running


_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _is_established(running: Kube, name: str) -> bool:
    status = running.ask("GET", f"{_DEFINITIONS}/{name}").get("status", {})
    conditions = {
        condition["type"]: condition["status"] for condition in status.get("conditions", [])
    }
    return bool(conditions.get("Established") == "True")


def _upstream() -> list[Json]:
    """Istio's and the Gateway API's definitions, as their projects ship them."""
    try:
        files = modules.definitions()
    except modules.MissingServerError as error:
        return [pytest.fail(str(error))]
    documents = (document for file in files for document in yaml.safe_load_all(file.read_text()))
    return [
        dict(document) for document in documents if document and document["kind"] == _DEFINITION
    ]


_DEFINITION = "CustomResourceDefinition"
