"""What each caller of our tenant gets when it names what belongs to the other one.

Two questions to every answer: does it carry a trace of theirs that the request did not name, and is it another answer
than for ids that nobody has?
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from isolation.callers import Caller
from isolation.filling import TwoTenants
from isolation.openapi import Operation, Request, names_of
from isolation.tally import Tally
from isolation.tenant import Tenant

BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, SERVER_ERROR = 400, 401, 403, 500
UUID_TEXT = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Answer:
    """A status, the text of the body, and its JSON where it is some."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None


@dataclass
class HttpMatrix:
    """The running gateway, asked by everybody."""

    client: httpx.AsyncClient
    tenants: TwoTenants
    tally: Tally
    nobody: Tenant = field(default_factory=lambda: Tenant("c"))
    # What our side has written somewhere, and may read again.
    written: set[str] = field(default_factory=set)

    async def ask(self, caller: Caller, operation: Operation, request: Request) -> Answer:
        """Send it; a stream is read up to its first words."""
        arguments: dict[str, Any] = {"params": request.query, "headers": {**request.headers, **caller.headers}}
        if request.body is not None:
            arguments["content" if isinstance(request.body, str) else "json"] = request.body
        async with self.client.stream(request.method.upper(), request.path, **arguments) as response:
            if operation.streams and response.is_success:
                first = await anext(response.aiter_text())
                return Answer(response.status_code, first)
            return Answer(response.status_code, (await response.aread()).decode())

    async def try_without_right(self, caller: Caller, operation: Operation, status: int) -> None:
        """Whoever may not ask at all gets that answer, whatever he asks for."""
        theirs = names_of(self.tenants.theirs)
        request = operation.compose(theirs)
        self.written.update(str(theirs[name]) for name in request.named)  # our own audit log tells of it
        answer = await self.ask(caller, operation, request)
        if answer.status != status:
            self._leak(caller, operation, f"{answer.status} instead of {status}: {answer.text[:200]}")
        else:
            self._look_for_traces(caller, operation, answer, theirs, str(status))

    async def try_theirs(self, caller: Caller, operation: Operation) -> None:
        """All that is theirs at once."""
        theirs = names_of(self.tenants.theirs)
        request = operation.compose(theirs)
        if operation.method != "get":
            self.written.update(str(theirs[name]) for name in request.named)
        answer = await self.ask(caller, operation, request)
        self._look_for_traces(caller, operation, answer, theirs, str(answer.status))

    async def try_with_right(self, caller: Caller, operation: Operation, known: frozenset[str] = frozenset()) -> None:
        """All that is theirs at once, and one of it among ours; for each the same with what nobody has.

        Of the names that are `known` to tell an id of theirs from one of nobody, nothing is compared.
        """
        ours, theirs, nobodys = (names_of(one) for one in (self.tenants.ours, self.tenants.theirs, self.nobody))
        if operation.method != "delete":  # our own things are needed for what follows
            plain = await self.ask(caller, operation, operation.compose(ours))
            self._look_for_traces(caller, operation, plain, {}, str(plain.status))
        for query in (None, *operation.tenant_queries(ours)):
            named = operation.compose(theirs, query).named
            choices = [named] if len(named) == 1 else [named, *({name} for name in named)]
            for chosen in choices if named else ():
                if operation.method != "get":
                    self.written.update(str(theirs[name]) for name in chosen)
                with_theirs = {**ours, **{name: theirs[name] for name in chosen}}
                with_nobodys = {**ours, **{name: nobodys[name] for name in chosen}}
                first = await self.ask(caller, operation, operation.compose(with_theirs, query))
                second = await self.ask(caller, operation, operation.compose(with_nobodys, query))
                self._look_for_traces(caller, operation, first, with_theirs, str(first.status))
                if not known & chosen:
                    self._compare(caller, operation, sorted(chosen), (first, with_theirs), (second, with_nobodys))

    def _look_for_traces(
        self, caller: Caller, operation: Operation, answer: Answer, said: Mapping[str, Any], outcome: str
    ) -> None:
        heard = self.tenants.heard_of(answer.text, {*map(str, said.values()), *self.written})
        if heard and not operation.is_for_the_platform:
            self._leak(caller, operation, f"{answer.status} tells of {sorted(heard)[:3]}: {answer.text[:300]}")
        elif answer.status >= SERVER_ERROR:
            self._leak(caller, operation, f"{answer.status}: {answer.text[:300]}")
        else:
            self.tally.note(str(operation), "answers", outcome)

    def _compare(
        self,
        caller: Caller,
        operation: Operation,
        chosen: list[str],
        theirs: tuple[Answer, Mapping[str, Any]],
        nobodys: tuple[Answer, Mapping[str, Any]],
    ) -> None:
        """An id of theirs and an id of nobody get the same answer, but for the id itself."""
        first, second = outline(*theirs), outline(*nobodys)
        if operation.is_for_the_platform:
            self.tally.note(str(operation), "compared", "for the platform")
        elif first == second:
            self.tally.note(str(operation), "compared", "same")
        else:
            self._leak(caller, operation, f"{', '.join(chosen)} of theirs: {first}; of nobody: {second}")

    def _leak(self, caller: Caller, operation: Operation, what: str) -> None:
        self.tally.leak(str(operation), caller.name, what)


def outline(answer: Answer, names: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an asker can tell answers apart by, with the ids that he named taken out."""
    said = answer.json if isinstance(answer.json, dict) else {}
    message = str(said.get("message", ""))
    for name, value in names.items():
        for text in value if isinstance(value, list) else [str(value)]:
            message = message.replace(text, f"<{name}>")
    message = UUID_TEXT.sub("<id>", re.sub(r"\d+", "<n>", message)) if answer.status < BAD_REQUEST else message
    items = said.get("items")
    count = len(items) if isinstance(items, list) else None
    return (
        answer.status,
        said.get("code") if answer.status >= BAD_REQUEST else None,
        message,
        said.get("total"),
        count,
    )
