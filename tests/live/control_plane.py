"""Processes of a Kubernetes control plane: etcd, the API server, the controllers."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.demo.servers.process import Process, answers
from tests.live.servers import register
from tests.servers import modules

SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"
# Nobody connects to it; without a default route the API server does not find one by itself.
ADVERTISED = "10.244.255.254"
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
)
# The programs that this process has started, for the summary of a test run.
started: set[Path] = set()


def program(name: str) -> str:
    """The full path of a server; the test fails with the command that brings it."""
    try:
        path = modules.find(name)
    except modules.MissingServerError as error:
        return pytest.fail(str(error))
    started.add(path)
    return str(path)


def start_etcd(folder: Path, client: int, peer: int) -> Process:
    client_url, peer_url = (f"http://127.0.0.1:{port}" for port in (client, peer))
    command = [program("etcd"), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"]
    command += ["--listen-client-urls", client_url, "--advertise-client-urls", client_url]
    command += ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
    command += ["--initial-cluster", f"default={peer_url}", "--log-level", "error"]
    process = register(Process("etcd", command, folder / "etcd.log"))
    return process.wait_until(lambda: answers(f"{client_url}/health"))


def start_apiserver(folder: Path, etcd: int, port: int, tokens: Path) -> Process:
    """Start the API server; it is not ready yet when this returns."""
    key = folder / "certs" / "apiserver.key"
    issuer = "https://kubernetes.default.svc"
    command = [
        program("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--advertise-address={ADVERTISED}",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certs'}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--service-account-issuer={issuer}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",  # made by itself at its start
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--enable-priority-and-fairness=false",
    ]
    return register(Process("kube-apiserver", command, folder / "kube-apiserver.log"))


def start_controllers(folder: Path, config: Path) -> Process:
    """Start the controllers; they wait for the API server by themselves."""
    command = [
        program("kube-controller-manager"),
        f"--kubeconfig={config}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    log = folder / "kube-controller-manager.log"
    return register(Process("kube-controller-manager", command, log))
