"""Cursors of event-like lists: where the next page begins, as text that a client hands back untouched.

A cursor holds the sort key of the last entry shown, so that entries which arrive meanwhile neither repeat nor hide
others. It is bound to its list and its tenant by a digest: one that was made up, altered, cut or taken from elsewhere
is 422. The digest needs no secret, because a cursor gives no right: every page is confined to the caller's tenant.

    place = read_cursor(cursor, tuple[datetime, UUID], "timeline", caller.tenant_id)   # None: the first page
    ...
    next_cursor = make_cursor((row["at"], row["id"]), "timeline", caller.tenant_id)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Annotated, Any, TypeVar, cast

import msgspec
from fastapi import Query
from fastapi.exceptions import RequestValidationError
from pydantic import Field

Key = TypeVar("Key", bound=tuple[Any, ...])
DIGEST_BYTES = 10

Cursor = Annotated[
    str | None,
    Query(
        max_length=500,
        description="`next_cursor` of the page before; without it the list begins at its beginning",
    ),
]
NextCursor = Annotated[
    str | None,
    Field(description="give it as `cursor` for the next page; null on the last one", examples=["WzQyXQ4Qk0x"]),
]


def make_cursor(key: tuple[Any, ...], *bound_to: object) -> str:
    """The cursor behind an entry with this sort key (numbers, texts, UUIDs and moments with an offset)."""
    body = msgspec.json.encode(key)
    return base64.urlsafe_b64encode(_digest(body, bound_to) + body).rstrip(b"=").decode()


def read_cursor(text: str | None, key_type: type[Key], *bound_to: object) -> Key | None:
    """The sort key in a cursor, None where there is no cursor.

    Raises:
        RequestValidationError: `cursor` is none that `make_cursor` has made for the same list.
    """
    if text is None:
        return None
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        digest, body = raw[:DIGEST_BYTES], raw[DIGEST_BYTES:]
        if not hmac.compare_digest(digest, _digest(body, bound_to)):
            raise ValueError("digest")  # noqa: TRY301  one answer for every way in which it is none
        return cast("Key", msgspec.json.decode(body, type=key_type))
    except (ValueError, binascii.Error) as error:
        message = "this is no cursor of this list: give `next_cursor` of the page before as it is, or leave it out"
        raise RequestValidationError([{"loc": ("query", "cursor"), "msg": message, "type": "cursor"}]) from error


def _digest(body: bytes, bound_to: tuple[object, ...]) -> bytes:
    names = "\0".join(map(str, bound_to)).encode()
    return hashlib.blake2b(names + b"\0" + body, digest_size=DIGEST_BYTES).digest()
