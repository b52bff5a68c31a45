"""A real istiod: it reads routes from the API server, checks them, and feeds Envoys."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from rollout.demo.servers.process import Process, answers, free_ports
from tests.live.control_plane import program
from tests.live.kube import Kube
from tests.live.servers import register

NAMESPACE = "istio-system"
_CONFIGS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_GROUPS = ("security.istio.io", "networking.istio.io", "telemetry.istio.io")
_DIRECT = build_opener(ProxyHandler({}))
# Upstream Envoy has none of Istio's own filters.
_WITHOUT_OWN_FILTERS = {
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "POD_NAMESPACE": NAMESPACE,
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",  # its certificate is ours, so nothing is to be patched
}

# Logged at a start, for clients without a pod, and for a gateway without routes.
_EXPECTED = (
    "is not ready",
    "slow startup task",
    "no instances found for client-",
    "with no vhosts; Setting up a default 404 vhost",
)


@dataclass
class Istiod:
    """istiod on free ports of the loopback interface; a stopped one can be started again."""

    cluster: Kube
    folder: Path
    http: int
    grpc: int
    https: int
    monitoring: int
    process: Process = field(init=False)

    def start(self) -> None:
        certificate = self._certificate()
        # A file of its own: istiod watches each, and would watch none if two were one.
        authority = self.folder / "authority.crt"
        authority.write_bytes(certificate.read_bytes())
        mesh = self.folder / "mesh.yaml"
        mesh.write_text(json.dumps(_mesh_config(self.grpc)))
        settings = [f"{name}={value}" for name, value in _WITHOUT_OWN_FILTERS.items()]
        command = [
            *("env", *settings, program("pilot-discovery"), "discovery"),
            f"--kubeconfig={self.cluster.config()}",
            f"--meshConfig={mesh}",
            f"--httpAddr=127.0.0.1:{self.http}",
            f"--grpcAddr=127.0.0.1:{self.grpc}",
            f"--httpsAddr=127.0.0.1:{self.https}",
            "--secureGRPCAddr=",
            f"--monitoringAddr=127.0.0.1:{self.monitoring}",
            "--ctrlz_port=0",
            f"--tlsCertFile={certificate}",
            f"--tlsKeyFile={certificate.with_suffix('.key')}",
            f"--caCertFile={authority}",
        ]
        self.process = register(Process("istiod", command, self.folder / "istiod.log"))
        self.process.wait_until(lambda: answers(f"http://127.0.0.1:{self.http}/ready"), 60)

    def stop(self) -> None:
        self.process.stop()

    def rejections(self) -> int:
        """Pushes that an Envoy refused, since the start."""
        return self._metric("pilot_total_xds_rejects")

    def warnings(self) -> list[str]:
        """What it logged as a warning or an error, but for what a start and this harness bring."""
        lines = self.process.log.read_text(errors="replace").splitlines()
        problems = (line for line in lines if "\twarn\t" in line or "\terror\t" in line)
        return [line for line in problems if not any(words in line for words in _EXPECTED)]

    def _metric(self, name: str) -> int:
        with _DIRECT.open(f"http://127.0.0.1:{self.monitoring}/metrics", timeout=5) as page:
            text = page.read().decode()
        values = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return round(sum(map(float, values)))

    def _certificate(self) -> Path:
        """A certificate that signs for itself, for the address that the API server calls."""
        certificate = self.folder / "istiod.crt"
        if not certificate.exists():
            command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
            command += ["-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)]
            command += ["-subj", "/CN=istiod", "-addext", "subjectAltName=IP:127.0.0.1"]
            subprocess.run(command, check=True, capture_output=True)
        return certificate

    def register_validation(self) -> None:
        """From now on the API server asks istiod about every Istio object, as in an install."""
        authority = base64.b64encode((self.folder / "istiod.crt").read_bytes()).decode()
        rule = {
            "operations": ["CREATE", "UPDATE"],
            "apiGroups": [*_GROUPS],
            "apiVersions": ["*"],
            "resources": ["*"],
        }
        webhook = {
            "name": "rev.validation.istio.io",
            "clientConfig": {
                "url": f"https://127.0.0.1:{self.https}/validate",
                "caBundle": authority,
            },
            "rules": [rule],
            # With istiod stopped on purpose the API server still takes what it is given.
            "failurePolicy": "Ignore",
            "timeoutSeconds": 5,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        body = {"metadata": {"name": "istio-validator"}, "webhooks": [webhook]}
        answer = self.cluster.ask("POST", _CONFIGS, body)
        assert answer["kind"] == "ValidatingWebhookConfiguration", answer


def _mesh_config(grpc: int) -> dict[str, Any]:
    proxies = {"discoveryAddress": f"127.0.0.1:{grpc}", "interceptionMode": "NONE"}
    return {"enableAutoMtls": False, "defaultConfig": proxies}


@contextmanager
def istiod(cluster: Kube, folder: Path) -> Iterator[Istiod]:
    """Istiod beside the cluster; it checks every Istio object that the API server is given."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    server = Istiod(cluster, folder, *free_ports(4))
    server.start()
    try:
        server.register_validation()
        yield server
    finally:
        server.stop()
