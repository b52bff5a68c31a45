"""Shared by the demo's HTTP services: metrics page, health page and a quick shutdown."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4


def application(registry: CollectorRegistry) -> web.Application:
    """Build an application with /metrics and /healthz."""
    # The `_created` series would double the number of series, and nothing uses them.
    disable_created_metrics()  # type: ignore[no-untyped-call]

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=generate_latest(registry), headers=headers)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    return app


def serve(app: web.Application, port: int) -> None:
    """Serve on the loopback interface until SIGTERM or SIGINT; then requests get one second."""
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None, shutdown_timeout=1)
