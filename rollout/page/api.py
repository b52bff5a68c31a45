"""The read-only API, version 1: rollouts, permissions, the log and entries as JSON.

`describe` is its OpenAPI document, of which the tests ask everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rollout import __version__
from rollout.decide.state.rollout import RolloutState
from rollout.errors import InputError
from rollout.explain.log import EntryFilter, as_document
from rollout.explain.permission import GOALS, Answer, Goal, Permission, give_permission
from rollout.explain.status import Report, RolloutStanding, find_standing, report
from rollout.journal.entry_id import PATTERN, parse_id
from rollout.journal.index import matching
from rollout.page.access import PageAccess
from rollout.page.numbers import read_number
from rollout.page.reader import JournalReader
from rollout.page.views import page_of
from rollout.redact import redact_values

_ROOT = "/api"
BASE = f"{_ROOT}/v1"
GATE = f"{BASE}/gate/"
"""Where callers ask that can send no header; a secret in the path stands for the token."""

_MOST = 200  # rollouts or entries in one answer
_GATES: Mapping[str, tuple[Goal, Answer]] = {
    "step": ("step", "go"),
    "promotion": ("promotion", "go"),
    "rollback": ("step", "stop"),
}
"""What a gate is asked for, and the answer that opens it."""

_Document = dict[str, Any]


def is_asked(path: str) -> bool:
    """Return whether a path is the API's, also one that no version of it has: it answers JSON."""
    return path == _ROOT or path.startswith(f"{_ROOT}/")


def build_routes(reader: JournalReader, access: PageAccess) -> list[Route]:
    """Return the routes of the API, and of the gate where it has a secret."""

    def answer(make: Callable[[JournalReader, Request], _Document]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(await run_in_threadpool(make, reader, request))

        return endpoint

    async def gate(request: Request) -> Response:
        return await run_in_threadpool(_ask_gate, reader, access, request)

    return [
        Route(f"{BASE}/openapi.json", answer(lambda _reader, _request: describe())),
        Route(f"{BASE}/rollouts", answer(_list_rollouts)),
        Route(f"{BASE}/rollouts/{{name}}", answer(_get_rollout)),
        Route(f"{BASE}/rollouts/{{name}}/verdict", answer(_get_verdict)),
        Route(f"{BASE}/entries", answer(_list_entries)),
        Route(f"{BASE}/entries/{{number}}", answer(_get_entry)),
        Route(f"{GATE}{{secret}}/{{name}}/{{goal}}", gate, methods=["POST"]),
    ]


def _list_rollouts(reader: JournalReader, _request: Request) -> _Document:
    reader.refresh()
    newest = [*reader.states().items()][-_MOST:]
    standings = [asdict(redact_values(find_standing(*named))) for named in reversed(newest)]
    return {"rollouts": standings}


def _get_rollout(reader: JournalReader, request: Request) -> _Document:
    rollout, state = _find_newest(reader, request.path_params["name"])
    return report(rollout, state, reader.now(), reader.find_stable(state.plan)).as_json()


def _get_verdict(reader: JournalReader, request: Request) -> _Document:
    goal = request.query_params.get("for", "step")
    if goal not in GOALS:
        raise HTTPException(400, f"`for` is one of {', '.join(GOALS)}")
    return _give_permission(reader, request.path_params["name"], goal).as_json()


def _give_permission(reader: JournalReader, name: str, goal: Goal) -> Permission:
    return give_permission(*_find_newest(reader, name), goal, reader.now())


def _list_entries(reader: JournalReader, request: Request) -> _Document:
    reader.refresh()
    asked = request.query_params.get("before", "")
    before = read_number(asked)
    if asked and not before:
        raise HTTPException(400, "`before` is the number of an entry")
    name = request.query_params.get("rollout")
    rollouts = None if name is None else frozenset(_find_ids(reader, name))
    places, has_older = page_of(reader.headlines(), EntryFilter(), rollouts, before)
    entries = [as_document(entry, reader.chain) for entry in reader.entries(places[::-1])]
    return {"entries": entries[::-1], "older": places[-1] if has_older else None}


def _get_entry(reader: JournalReader, request: Request) -> _Document:
    head = reader.refresh()
    try:
        wanted = parse_id(request.path_params["number"])
    except ValueError as error:
        raise HTTPException(404, str(error)) from error
    wanted.check_chain(reader.chain)
    if not 0 < wanted.number <= head:
        raise HTTPException(404, "there is no entry of that number")
    return as_document(reader.entries([wanted.number])[0], reader.chain)


def _ask_gate(reader: JournalReader, access: PageAccess, request: Request) -> Response:
    """Answer 200 where the gate is open, else 403; a wrong secret is as one that is closed."""
    gate = _GATES.get(request.path_params["goal"])
    is_open = False
    if gate is not None and access.opens_gate(request.path_params["secret"]):
        goal, opening = gate
        with contextlib.suppress(InputError):  # its message lists the names that there are
            permission = _give_permission(reader, request.path_params["name"], goal)
            is_open = permission.answer == opening and (opening == "go" or permission.rolls_back)
    return JSONResponse({"open": is_open}, 200 if is_open else 403)


def _find_newest(reader: JournalReader, name: str) -> tuple[str, RolloutState]:
    """Return the newest rollout of a plan's name or id, with its evidence."""
    reader.refresh()
    rollout = _find_ids(reader, name)[-1]
    state = reader.state(rollout)
    if state is None:
        raise HTTPException(404, "there is no rollout of that name")
    return rollout, state


def _find_ids(reader: JournalReader, name: str) -> list[str]:
    """Return the rollouts of a plan's name or id, the latest last. Raises InputError if none."""
    return matching({own: state.plan.name for own, state in reader.states().items()}, name)


@cache
def describe() -> _Document:
    """Return the OpenAPI document. Source: OpenAPI Specification 3.1.0."""
    schemas: _Document = {"Error": _object({"error": {"type": "string"}})}
    adapters = {"Report": Report, "RolloutStanding": RolloutStanding, "Permission": Permission}
    for title, own in adapters.items():
        schema = TypeAdapter(own).json_schema(
            mode="serialization", ref_template="#/components/schemas/{model}"
        )
        schemas |= schema.pop("$defs", {})
        schemas[title] = schema
    entry_id = {"type": "string", "pattern": PATTERN}
    entry = {
        "type": "object",
        "required": ["seq", "at", "rollout", "kind", "hash", "entry"],
        "properties": {"entry": entry_id},
    }
    name = _parameter("name", "path", {"type": "string"})
    number = {"type": "integer", "minimum": 1}
    goal = {"type": "string", "enum": [*get_args(Goal)], "default": "step"}
    standings = {"type": "array", "items": _reference("RolloutStanding")}
    entries = {"type": "array", "items": entry}
    log = _object({"entries": entries, "older": {"type": ["integer", "null"]}})
    before = _parameter("before", "query", number)
    rollout = _parameter("rollout", "query", {"type": "string"})
    paths = {
        "/rollouts": _operation("listRollouts", _object({"rollouts": standings}), []),
        "/rollouts/{name}": _operation("getRollout", _reference("Report"), [name], 404),
        "/rollouts/{name}/verdict": _operation(
            "getVerdict",
            _reference("Permission"),
            [name, _parameter("for", "query", goal)],
            400,
            404,
        ),
        "/entries": _operation("listEntries", log, [rollout, before], 400, 404),
        "/entries/{number}": _operation(
            "getEntry", entry, [_parameter("number", "path", {"anyOf": [number, entry_id]})], 404
        ),
    }
    bearer = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Surefoot", "version": __version__, "description": __doc__},
        "servers": [{"url": BASE}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": bearer},
    }


def _operation(
    name: str, schema: _Document, parameters: list[_Document], *refusals: int
) -> _Document:
    refused = {"content": {"application/json": {"schema": _reference("Error")}}}
    answers: _Document = {
        "200": {"description": "as asked", "content": {"application/json": {"schema": schema}}},
        "401": {"description": "no token", **refused},
        "503": {"description": "the journal cannot be read", **refused},
    }
    answers |= {str(code): {"description": "refused", **refused} for code in refusals}
    return {"get": {"operationId": name, "parameters": parameters, "responses": answers}}


def _parameter(name: str, where: str, schema: _Document) -> _Document:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _object(properties: _Document) -> _Document:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _reference(name: str) -> _Document:
    return {"$ref": f"#/components/schemas/{name}"}
