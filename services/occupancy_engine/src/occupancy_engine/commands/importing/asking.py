"""What the kinds of rows share: a row's fate, what differs, and the commands behind the rows.

A kind reads what there is once (`load`), and then says of each row what is to be done: nothing, a refusal, or a change
to be awaited. Rows that change something are locked in the order of everybody before the first of them is touched.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid
from parking_contracts.command import Command, CommandBody
from parking_contracts.errors import Refusal

Values = Mapping[str, Any]
Body = TypeVar("Body", bound=CommandBody)
Answer = TypeVar("Answer")
_NOTHING = (None, "")
_FIELD = re.compile(r"`\$\.(\w+)|missing required field `(\w+)`")


class Done(msgspec.Struct, frozen=True):
    """What became of a row that was not refused."""

    outcome: Literal["created", "updated", "unchanged"]
    id: str


Change = Callable[[], Awaitable[Done | Refusal]]


class Rows(Protocol):
    """One kind of rows, for the time of one import."""

    async def load(self, rows: Sequence[Values]) -> None:
        """Read what these rows will be compared with, and lock what they will change."""

    def decide(self, values: Values) -> Done | Refusal | Change:
        """What is to be done about a row, after those before it."""


class Asker:
    """Runs the commands behind the rows, for the tenant and the caller of the import."""

    def __init__(self, connection: Connection, command: Command[Any]) -> None:
        self.connection = connection
        self.tenant_id = command.tenant_id
        self._command = command

    async def ask(
        self,
        act: Callable[[Connection, Command[Body]], Awaitable[Answer | Refusal]],
        body: type[Body],
        values: Values,
    ) -> Answer | Refusal:
        """Have a command carried out with these values; refused where they break the body's own limits."""
        try:
            asked = msgspec.convert(dict(values), body)
        except msgspec.ValidationError as error:
            message = str(error)
            found = _FIELD.search(message)
            return invalid((found[1] or found[2]) if found else "row", message.partition(" - at")[0])
        envelope = Command(
            tenant_id=self.tenant_id,
            caller=self._command.caller,
            request_id=self._command.request_id,
            body=asked,
            platform_admin=self._command.platform_admin,
        )
        return await act(self.connection, envelope)


def differing(values: Values, view: object) -> dict[str, Any]:
    """The values that a view does not show; no text and an empty one are the same."""
    shown = {name: getattr(view, name) for name in values}
    return {
        name: value
        for name, value in values.items()
        if shown[name] != value and not (shown[name] in _NOTHING and value in _NOTHING)
    }
