"""The address that was asked, before anything reads it: percent-encoded UTF-8 without NUL, or a clear 4xx.

What decodes leniently would let two addresses mean one record, and PostgreSQL cannot hold U+0000.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from api_gateway.http.problems import ProblemError
from parking_contracts.errors import ErrorCode


def address_problem(scope: Scope) -> ProblemError | None:
    """What is wrong with the path or a parameter of the query: 400 when it is no UTF-8, 422 for a NUL."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    parts = [("path", path)]
    for pair in scope["query_string"].split(b"&"):
        name, _, value = pair.partition(b"=")
        shown = unquote_to_bytes(name).decode("utf-8", "replace")[:100]
        parts += [("query", name), (f"query.{shown}", value)]
    for where, quoted in parts:
        if b"%" in quoted or not quoted.isascii():
            problem = _text_problem(where, unquote_to_bytes(quoted))
            if problem is not None:
                return problem
    return None


def _text_problem(where: str, raw: bytes) -> ProblemError | None:
    if b"\0" in raw:
        return _refused(where, "holds the character U+0000", 422)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _refused(where, f"is not UTF-8: byte {error.start} is invalid", 400)
    return None


def _refused(where: str, message: str, status: int) -> ProblemError:
    details = {"errors": [{"field": where, "message": message}]}
    return ProblemError(ErrorCode.VALIDATION_ERROR, f"{where}: {message}", details=details, status=status)
