# ruff: noqa: INP001 - it is mounted alone, not imported
"""Receives the hook of a promotion and scales the version that was stable down to nothing."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

NAME = os.environ.get("DEPLOYMENT", "{service}-{stable}")  # which Deployment serves a version
NAMESPACE = os.environ["NAMESPACE"]  # the only one that is touched, whatever is asked


def scale_down(told: dict[str, Any]) -> int:
    """The HTTP status that says what came of it; twice is once, so a repeated call is harmless."""
    if told["when"] != "promoted" or told["namespace"] != NAMESPACE:
        return 422
    name, nothing = NAME.format_map(told), {"spec": {"replicas": 0}}
    apps: Any = client.AppsV1Api()
    try:
        apps.patch_namespaced_deployment_scale(name, NAMESPACE, nothing, _request_timeout=4)
    except ApiException as error:
        return int(error.status or 502)
    except HTTPError:
        return 504
    return 204


class Receiver(BaseHTTPRequestHandler):
    """One POST is one call; the answer comes when the API server has given its own."""

    timeout = 10

    def do_POST(self) -> None:
        """Scale down, or say why not by the status."""
        try:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = scale_down(told)
        except (KeyError, TypeError, ValueError):
            status = 400
        self.send_response(status)
        self.end_headers()


if __name__ == "__main__":
    configured: Any = config  # without types
    if "KUBECONFIG" in os.environ:
        configured.load_kube_config(os.environ["KUBECONFIG"])
    else:
        configured.load_incluster_config()
    address = os.environ.get("ADDRESS", "0.0.0.0")  # noqa: S104 - a Service leads here
    ThreadingHTTPServer((address, int(sys.argv[1])), Receiver).serve_forever()
