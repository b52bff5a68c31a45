"""Answers requests for the pages: a Starlette application over one journal."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rollout.errors import InputError, SurefootError
from rollout.journal.entry_id import parse_id
from rollout.page import api
from rollout.page.access import HEADERS, PageAccess, find_sign_in, find_way_back
from rollout.page.charts import POLICY
from rollout.page.connections import OpenConnections
from rollout.page.numbers import is_odd_number, read_number
from rollout.page.pages import PageSet
from rollout.redact import redact

_POLL = 1.0  # seconds between two looks for new entries
_OPEN = ("/sign-in", "/static/", api.GATE)  # what needs no token: a gate has its own secret
_FRESH, _MOST_KEPT = 5.0, 64  # seconds, pages
_LARGEST_FORM, _LONGEST_FORM = 4096, 10.0  # bytes, seconds
_REFUSALS = {
    "Not Found": "there is no such page",
    "Method Not Allowed": "this address is not asked by that method",
}
_ODD = "an entry of this journal holds a number that cannot be shown (surefoot verify checks it)"


@dataclass(frozen=True)
class Guard:
    """Lets only those through that may see the pages, and sets the headers of every answer."""

    app: ASGIApp
    access: PageAccess
    connections: OpenConnections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if refusal or _is_open(scope["path"]):
            await (refusal or self.app)(scope, receive, send_with_headers)
            return
        with self.connections.answering(scope["client"]):
            await self.app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self.access.is_known_host(headers.get("host")):
            return PlainTextResponse("this server is not asked under that name", 421)
        if not self.access.is_own_origin(headers.get("origin"), headers.get("host")):
            return PlainTextResponse("only its own pages may ask this server", 403)
        if _is_open(scope["path"]):
            return None
        cookie = Request(scope).cookies.get(self.access.cookie_name)
        if self.access.may_see(headers.get("authorization"), cookie):
            return None
        return _ask_for_token(scope, headers)


def _ask_for_token(scope: Scope, headers: Headers) -> Response:
    """Lead a browser to the sign-in, and tell a program how it is let in."""
    if "text/html" in headers.get("accept", ""):
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(find_sign_in(scope["path"], query), 303)
    words, scheme = (
        "send the token as `Authorization: Bearer TOKEN`",
        {"www-authenticate": "Bearer"},
    )
    if api.is_asked(scope["path"]):
        return JSONResponse({"error": words}, 401, scheme)
    return PlainTextResponse(f"sign in, or {words}", 401, scheme)


def _is_open(path: str) -> bool:
    return path.startswith(_OPEN)


@dataclass
class RecentPages:
    """Pages that were made a moment ago: many viewers of one page cost as one does."""

    pages: PageSet
    _kept: OrderedDict[str, tuple[int, float, str]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, make: Callable[[PageSet, Request], str], request: Request) -> str:
        """Return a page, made anew where it is older than the newest entry or some seconds.

        Raises what `make` raises.
        """
        url, head, now = str(request.url), self.pages.reader.refresh(), self.pages.reader.now()
        with self._lock:
            kept_head, at, html = self._kept.get(url, (0, 0.0, ""))
        if html and kept_head == head and 0 <= now - at < _FRESH:
            return html
        html = make(self.pages, request)
        with self._lock:
            self._kept[url] = head, now, html
            self._kept.move_to_end(url)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return html


def application(
    pages: PageSet, access: PageAccess, connections: OpenConnections | None = None
) -> ASGIApp:
    """Return the application that serves the pages to those with access."""
    recent = RecentPages(pages)

    def answer(make: Callable[[PageSet, Request], str]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return HTMLResponse(await run_in_threadpool(recent.get, make, request))

        return endpoint

    routes = [
        Route("/", answer(lambda pages, _request: pages.home())),
        Route("/rollouts/{rollout}", answer(_rollout)),
        Route("/rollouts/{rollout}/{chart}-{theme}.svg", partial(_chart, pages)),
        Route("/services/{namespace}/{service}", answer(_service)),
        Route("/decisions/{number}", answer(_decision)),
        Route("/log", answer(lambda pages, request: pages.log(dict(request.query_params)))),
        Route("/topology", answer(lambda pages, _request: pages.topology())),
        Route("/verify", answer(lambda pages, _request: pages.verify())),
        Route("/rows", partial(_rows, pages)),
        Route("/replay", partial(_replay, pages)),
        Route("/events", partial(_events, pages)),
        Route("/sign-in", partial(_sign_in, pages, access), methods=["GET", "POST"]),
        Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
    ]
    routes += api.build_routes(pages.reader, access)
    handlers = {
        SurefootError: partial(_failed, pages),
        HTTPException: partial(_refused, pages),
        ArithmeticError: partial(_refused, pages),
        ValueError: partial(_refused, pages),
        Exception: partial(_refused, pages),  # and uvicorn tells it on stderr
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(app, access, connections or OpenConnections())


def _rollout(pages: PageSet, request: Request) -> str:
    return pages.rollout(request.path_params["rollout"])


def _service(pages: PageSet, request: Request) -> str:
    return pages.service(request.path_params["namespace"], request.path_params["service"])


def _decision(pages: PageSet, request: Request) -> str:
    try:
        wanted = parse_id(request.path_params["number"])
    except ValueError as error:
        raise HTTPException(404, str(error)) from error
    return pages.decision(wanted.number, wanted.chain)


async def _chart(pages: PageSet, request: Request) -> Response:
    names = request.path_params
    drawing = await run_in_threadpool(
        pages.charts.draw, names["rollout"], names["chart"], names["theme"]
    )
    return Response(
        drawing, media_type="image/svg+xml", headers={"content-security-policy": POLICY}
    )


async def _rows(pages: PageSet, request: Request) -> Response:
    """Answer sealed rows after a number, for a browser that checks their hashes itself."""
    after = read_number(request.query_params.get("after", "0"))
    if after is None:
        raise HTTPException(400, "`after` is the number of an entry")
    return JSONResponse(await run_in_threadpool(pages.rows, after))


async def _replay(pages: PageSet, _request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(pages.replay))


async def _events(pages: PageSet, request: Request) -> Response:
    """Tell the number of the newest entry whenever there are new ones.

    An event's id is that number, so a browser that comes back says what it has seen.
    """
    from sse_starlette.sse import EventSourceResponse

    since = read_number(request.headers.get("last-event-id", ""))
    is_over = anyio.Event()  # set when the server ends

    async def events() -> AsyncIterator[dict[str, str]]:
        newest = since
        while not is_over.is_set():
            with contextlib.suppress(SurefootError):  # the page that is loaded tells it
                head = await run_in_threadpool(pages.reader.refresh)
                if newest is None or head != newest:
                    yield {"id": str(head), "event": "entries", "data": str(head)}
                newest = head
            with anyio.move_on_after(_POLL):
                await is_over.wait()

    return EventSourceResponse(
        events(), ping=15, shutdown_event=is_over, shutdown_grace_period=_POLL
    )


async def _sign_in(pages: PageSet, access: PageAccess, request: Request) -> Response:
    way = find_way_back(request.query_params.get("to", ""))
    if request.method == "GET":
        return HTMLResponse(pages.sign_in("", way))
    length = read_number(request.headers.get("content-length", ""))
    if length is None or length > _LARGEST_FORM:
        raise HTTPException(413, "that is no token")
    from urllib.parse import parse_qs

    with anyio.move_on_after(_LONGEST_FORM) as reading:
        body = await request.body()
    if reading.cancelled_caught:
        raise HTTPException(408, "the token did not come")
    form = parse_qs(body.decode(errors="replace"))
    if not access.has_token(form.get("token", [""])[0]):
        return HTMLResponse(pages.sign_in("That is not the token.", way), 403)
    response = RedirectResponse(way, 303)
    # Lax: a link in a chat leads to its decision. Nothing here is changed by any request, and
    # requests that other pages' scripts, forms and frames send carry no such cookie.
    response.set_cookie(
        access.cookie_name, access.cookie, httponly=True, samesite="lax", secure=access.is_secure
    )
    return response


async def _failed(pages: PageSet, request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, InputError) else 503
    return _show_error(pages, request, redact(str(error)), status)


async def _refused(pages: PageSet, request: Request, error: Exception) -> Response:
    if is_odd_number(error):
        return _show_error(pages, request, _ODD, 503)
    if not isinstance(error, HTTPException):
        return _show_error(pages, request, "that failed", 500)
    words = _REFUSALS.get(error.detail, error.detail)
    reply = _show_error(pages, request, words, error.status_code)
    reply.headers.update(error.headers or {})
    return reply


def _show_error(pages: PageSet, request: Request, words: str, status: int) -> Response:
    if api.is_asked(request.url.path):
        return JSONResponse({"error": words}, status)
    return HTMLResponse(pages.error(words, is_signed_in=not _is_open(request.url.path)), status)
