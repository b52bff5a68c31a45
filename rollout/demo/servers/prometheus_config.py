"""Builds the configuration of the demo's Prometheus: one job per target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit


def config(targets: Mapping[str, str], scrape: str) -> dict[str, Any]:
    """Build Prometheus' configuration as JSON, a subset of YAML; `targets`: URL by job."""
    jobs = [_build_job(name, url) for name, url in targets.items()]
    return {"global": {"scrape_interval": scrape, "scrape_timeout": scrape}, "scrape_configs": jobs}


def _build_job(name: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "job_name": name,
        "scheme": parts.scheme,
        "metrics_path": parts.path or "/metrics",
        "params": parse_qs(parts.query, keep_blank_values=True),
        "static_configs": [{"targets": [parts.netloc]}],
    }
