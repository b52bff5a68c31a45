"""What the demo's HTTP services share: a metrics page, a health page, a quiet and quick end."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4


def application(registry: CollectorRegistry) -> web.Application:
    """An application with /metrics and /healthz."""
    # Birth times would double the number of series and nobody reads them.
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
    """Serve on the loopback interface until SIGTERM or SIGINT; requests in flight get a second."""
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None, shutdown_timeout=1)
