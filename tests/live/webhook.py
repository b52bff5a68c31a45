"""An admission webhook that refuses every change of a VirtualService, with a mesh's words."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.live.kube import Kube

_CONFIGS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@contextmanager
def refusing(cluster: Kube, namespace: str, words: str, folder: Path) -> Iterator[None]:
    """While this lasts, every update of a VirtualService in the namespace is refused."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    server = HTTPServer(("127.0.0.1", 0), _handler(words))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    label = {"metadata": {"labels": {"refused": namespace}}}
    cluster.ask("PATCH", f"/api/v1/namespaces/{namespace}", label)
    url = f"https://127.0.0.1:{server.server_port}/"
    cluster.ask("POST", _CONFIGS, _configuration(namespace, url, certificate.read_bytes()))
    try:
        yield
    finally:
        cluster.ask("DELETE", f"{_CONFIGS}/{namespace}")
        server.shutdown()
        thread.join()
        server.server_close()


def _configuration(namespace: str, url: str, certificate: bytes) -> dict[str, Any]:
    rule = {
        "apiGroups": ["networking.istio.io"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["virtualservices"],
    }
    webhook = {
        "name": "validation.istio.io",
        "clientConfig": {"url": url, "caBundle": base64.b64encode(certificate).decode()},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"refused": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {"metadata": {"name": namespace}, "webhooks": [webhook]}


def _handler(words: str) -> type[BaseHTTPRequestHandler]:
    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {
                "uid": asked["request"]["uid"],
                "allowed": False,
                "status": {"message": words},
            }
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
            body = json.dumps(review | {"response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Refuse
