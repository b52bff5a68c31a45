"""Options of the metrics server, for commands that keep a controller running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def serving(command: _Command) -> _Command:
    """Add `--metrics PORT` and `--metrics-address ADDRESS` to a command."""
    port = click.option(
        "--metrics",
        type=click.IntRange(1, 65535),
        metavar="PORT",
        help="Serve /metrics for Prometheus, /healthz and /readyz for probes.",
    )
    address = click.option(
        "--metrics-address",
        default="127.0.0.1",
        show_default=True,
        metavar="ADDRESS",
        help="Address to serve them at; 0.0.0.0 in a pod.",
    )
    return port(address(command))
