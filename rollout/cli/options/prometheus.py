"""The options `--access` and `--prometheus` of every command that asks Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from rollout.cli.options.param_types import Quantity
from rollout.observe.access.settings import PrometheusSettings

if TYPE_CHECKING:
    from rollout.plan.model.prometheus import PrometheusServer

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _parse_server(text: str) -> PrometheusServer:
    """Parse `URL` or `URL,ACCESS`. Raises ValueError without the text in it."""
    from pydantic import ValidationError

    from rollout.plan.model.prometheus import PrometheusServer

    url, _, access = text.partition(",")
    try:
        return PrometheusServer(url=url, access=access or None)
    except ValidationError:
        raise ValueError(
            "write http://HOST:PORT, or with the name of an access http://HOST:PORT,NAME; "
            "a password stands in the access file"
        ) from None


def prometheus_options(command: _Command) -> _Command:
    """Add both options to a command, which gets them as `settings`."""

    @wraps(command)
    def with_settings(
        *args: Any, access_file: Path | None, default: PrometheusServer | None, **options: Any
    ) -> Any:
        return command(*args, settings=PrometheusSettings(access_file, default), **options)

    file = click.option(
        "--access",
        "access_file",
        envvar="SUREFOOT_ACCESS",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="File with the accesses that plans name (docs/prometheus.md).",
    )
    server = click.option(
        "--prometheus",
        "default",
        envvar="SUREFOOT_PROMETHEUS",
        show_envvar=True,
        metavar="URL[,ACCESS]",
        type=Quantity("url", _parse_server),
        help="Prometheus of plans that name none.",
    )
    return cast(_Command, file(server(with_settings)))
