"""Pages of a list: limit and offset in, `total` and the `Link` headers to the pages around it out (RFC 8288)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query, Request, Response
from starlette.datastructures import URL

from api_gateway.http.fields import Limit

DEFAULT_LIMIT = 100
OFFSET_LIMIT = 10_000_000
LINK_HEADER = {"description": "the pages around this one: `next` and `prev`", "schema": {"type": "string"}}


class Page:
    """Which part of a list was asked for."""

    def __init__(self, request: Request, response: Response, limit: int, offset: int) -> None:
        self.limit = limit
        self.offset = offset
        self._request = request
        self._response = response

    def of(self, total: int) -> dict[str, int]:
        """The page's own fields; also gives the answer its `Link` headers."""
        links = {}
        if self.offset + self.limit < total and self.offset + self.limit <= OFFSET_LIMIT:
            links["next"] = self._at(self.offset + self.limit)
        if self.offset > 0:
            links["prev"] = self._at(max(self.offset - self.limit, 0))
        _show(self._response, links)
        return {"total": total, "limit": self.limit, "offset": self.offset}

    def answer(self, total: int, items: Sequence[Mapping[str, Any]]) -> Response:
        """The page as it goes out. To check our own rows field by field would take longer than to read them."""
        content = msgspec.json.encode({**self.of(total), "items": items})
        return Response(content, headers=dict(self._response.headers), media_type="application/json")

    def first(self) -> Page:
        """The same list from its beginning."""
        return Page(self._request, self._response, self.limit, 0)

    def _at(self, offset: int) -> URL:
        return self._request.url.include_query_params(limit=self.limit, offset=offset)


async def _page(
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=OFFSET_LIMIT, description="how many to skip")] = 0,
) -> Page:
    return Page(request, response, limit, offset)


Paging = Annotated[Page, Depends(_page)]


def link_next(request: Request, response: Response, cursor: str | int | None) -> None:
    """Give a page of an event-like list its `Link` to the next one."""
    if cursor is not None:
        _show(response, {"next": request.url.include_query_params(cursor=cursor)})


def _show(response: Response, links: dict[str, URL]) -> None:
    """As paths, not whole addresses: what a proxy in front is called is not known here."""
    if links:
        response.headers["Link"] = ", ".join(
            f'<{url.path}?{url.query}>; rel="{relation}"' for relation, url in links.items()
        )
