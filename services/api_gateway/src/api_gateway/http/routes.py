"""The class of every route: who may come in before anything is read, and nothing that nobody asked for.

In this order: the caller is known (where the route has one), its rate limit has a place left, the query names only
parameters that the route has, the body is strict JSON (`strict_json`); then FastAPI's own handler.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIRouter
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from api_gateway.http.strict_json import StrictRequest, require_json
from api_gateway.identity.audit.trail import note_outcome, note_write
from api_gateway.identity.authentication import authenticate, identify


class JsonRoute(APIRoute):
    """A route that takes JSON where it takes a body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, behind ours."""
        handle = super().get_route_handler()
        single, repeatable = _query_names(self.dependant)
        has_caller = any(one.call is authenticate for one in _flat(self.dependant))
        takes_json = self.body_field is not None

        async def handle_strictly(request: Request) -> Response:
            if has_caller:
                caller = await identify(request)
                request.app.state.rate_limits.take(request, caller)
                await note_write(request, caller, self.path_format)
            _require_known(request, single, repeatable)
            if takes_json:
                require_json(request)
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and then say in the audit log how it ended."""
        status: int | None = None

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await super().handle(scope, receive, send_and_see)
        finally:
            await note_outcome(scope, status)


class NounRouter(APIRouter):
    """The routes of a noun, all under one prefix; other nouns' requests pass it by without a look at each route."""

    def __init__(self, *, prefix: str, tags: Sequence[str] = ()) -> None:
        super().__init__(prefix=prefix, tags=list(tags), route_class=JsonRoute)
        self._beginning = prefix.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of the routes takes the request."""
        return super().matches(scope) if scope["path"].startswith(self._beginning) else (Match.NONE, {})


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _flat(inner)


def _query_names(dependant: Dependant) -> tuple[frozenset[str], frozenset[str]]:
    """The parameters that may stand once in a query, and those that may stand there several times."""
    fields = [field for one in _flat(dependant) for field in one.query_params]
    repeatable = frozenset(field.alias for field in fields if _is_list(field.field_info.annotation))
    return frozenset(field.alias for field in fields) - repeatable, repeatable


def _is_list(annotation: Any) -> bool:
    return "list[" in str(annotation)


def _require_known(request: Request, single: frozenset[str], repeatable: frozenset[str]) -> None:
    if not request.scope["query_string"]:
        return
    seen: set[str] = set()
    errors = []
    for name, _ in request.query_params.multi_items():
        if name not in single and name not in repeatable:
            known = ", ".join(sorted(single | repeatable)) or "none"
            errors.append(_query_error(name, f"there is no such parameter here; known: {known}"))
        elif name in seen and name in single:
            errors.append(_query_error(name, "stands there twice"))
        seen.add(name)
    if errors:
        raise RequestValidationError(errors[:20])


def _query_error(name: str, message: str) -> dict[str, Any]:
    return {"loc": ("query", name), "msg": message, "type": "query"}
