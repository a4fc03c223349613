"""Request bodies: strict JSON or a clear 4xx, before any model sees them.

Beyond what the standard library refuses: another content type (415), invalid UTF-8, NaN and infinity, a key given
twice, and what could not travel on or be stored (NUL, lone surrogates, numbers beyond 64 bits, deep nesting).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable
from typing import Any

from fastapi import Request

from api_gateway.http.problems import ProblemError
from parking_contracts.errors import ErrorCode

DEPTH_LIMIT = 32
# Every object and list becomes many times its size in memory. No route takes a document anywhere near this.
COMMAS_LIMIT = 50_000
# A larger document is read in a thread: the live events of others must not wait for it.
AT_ONCE_BYTES = 64 << 10
_INTEGERS = range(-(2**63), 2**63)


class StrictRequest(Request):
    """A request whose JSON is read by `read_json`."""

    async def json(self) -> Any:
        """The body's document."""
        body = await self.body()
        return read_json(body) if len(body) <= AT_ONCE_BYTES else await asyncio.to_thread(read_json, body)


def require_json(request: Request) -> None:
    """A body that says it is JSON, or none at all.

    Raises:
        ProblemError: UNSUPPORTED_MEDIA_TYPE.
    """
    content_type = request.headers.get("content-type")
    if content_type is None and request.headers.get("content-length", "0") == "0":
        return  # no body at all: the model says which fields are missing
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the body as JSON, with the header Content-Type: application/json"
        )


def read_json(body: bytes) -> Any:
    """The parsed document.

    Raises:
        ProblemError: VALIDATION_ERROR; 400 when it is no JSON, 422 when a value in it cannot be accepted.
            PAYLOAD_TOO_LARGE when there are too many values in it.
    """
    if body.count(b",") > COMMAS_LIMIT:
        raise ProblemError(
            ErrorCode.PAYLOAD_TOO_LARGE,
            f"the body holds more than {COMMAS_LIMIT} values",
            details={"limit_values": COMMAS_LIMIT},
        )
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not UTF-8: byte {error.start} is invalid") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _malformed(f"the body is nested deeper than {DEPTH_LIMIT} levels") from error
    except ValueError as error:
        raise _malformed(f"the body is not JSON: {str(error)[:200]}") from error
    _check_values(document)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = _first_repeated(name for name, _ in pairs)
        raise ValueError(f"the key {twice[:50]!a} stands twice in one object")
    return members


def _first_repeated(names: Iterable[str]) -> str:
    """In one pass: how many names there are is the client's choice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("none of them is repeated")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _check_values(document: Any) -> None:
    """Walk the document without recursion: its depth is the client's choice."""
    waiting = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEPTH_LIMIT:
            raise _malformed(f"the body is nested deeper than {DEPTH_LIMIT} levels")
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, bool):
            continue
        elif isinstance(value, float) and not math.isfinite(value):
            raise _unacceptable("a number is too large")
        elif isinstance(value, int) and value not in _INTEGERS:
            raise _unacceptable("an integer does not fit into 64 bits")
        elif isinstance(value, dict):
            for name in value:
                _check_text(name)
            waiting += [(member, depth + 1) for member in value.values()]
        elif isinstance(value, list):
            waiting += [(member, depth + 1) for member in value]


def _check_text(text: str) -> None:
    if "\0" in text:
        raise _unacceptable("a text holds the character U+0000, which cannot be stored")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _unacceptable("a text holds half a surrogate pair")


def _malformed(message: str) -> ProblemError:
    return ProblemError(ErrorCode.VALIDATION_ERROR, message, status=400)


def _unacceptable(message: str) -> ProblemError:
    return ProblemError(ErrorCode.VALIDATION_ERROR, message)
