"""The key that makes a write repeatable: in the header Idempotency-Key, or as `request_id` in the body."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

from api_gateway.http.fields import KEY_PATTERN
from api_gateway.http.problems import ProblemError
from parking_contracts.errors import ErrorCode


class IdempotencyKey:
    """The key of one HTTP request, as its header has it."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def chosen(self, request_id: str | None) -> str | None:
        """The one key that header and body name; None where neither does.

        Raises:
            ProblemError: VALIDATION_ERROR, when they name two.
        """
        if self._header is not None and request_id is not None and self._header != request_id:
            raise ProblemError(
                ErrorCode.VALIDATION_ERROR, "Idempotency-Key and request_id name two different keys: send one of them"
            )
        return self._header or request_id


async def _from_header(
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=KEY_PATTERN,
            # No `examples`: tools that send them would reuse one key with many bodies.
            description="Makes a retry harmless: the same key with the same body answers as the first time; "
            "for example `7f9c-create-A17`",
        ),
    ] = None,
) -> IdempotencyKey:
    return IdempotencyKey(idempotency_key)


SentKey = Annotated[IdempotencyKey, Depends(_from_header)]
