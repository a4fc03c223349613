"""The words at the beginning of the OpenAPI document: what holds for every operation."""

from __future__ import annotations

from api_gateway.identity.authentication import SCOPES

_CONVENTIONS = """\
LoRaWAN parking sensors turned into a live, bookable, signposted car park. This page is made from
[/openapi.json](/openapi.json); what travels between the services is described at [/docs/bus](/docs/bus), from
[/asyncapi.json](/asyncapi.json).

Send `X-API-Key: pk_<id>_<secret>`, or a user's `Authorization: Bearer`, with every request that is not marked public. A
credential belongs to one tenant and sees nothing else. Times are RFC 3339 in UTC, positions WGS 84 degrees, lengths
metres.

- **Errors** are `application/problem+json` (RFC 9457) with a stable `code`, the fields at fault, and the request's id.
- **Retries**: any write may carry an `Idempotency-Key`; the same key with the same body answers as the first time.
- **Lists** answer `total`, `limit` and `offset`, and `Link` headers to the next and the previous page; `sort` takes
  names separated by commas, a minus before one for descending. Lists of events have a `cursor` instead.
- **Concurrent changes**: an answer's `ETag`, sent back as `If-Match`, makes a change conditional on nobody having
  changed the record since (412). What is shown for a space is no part of its ETag.
- **Limits**: reads and writes are counted apart, per credential and per tenant, in each replica; `RateLimit` says what
  is left, 429 comes with `Retry-After`. A body holds at most 10 MiB, an answer begins within 30 s.
- **Strictness**: an unknown parameter or field, a key given twice, text that is no UTF-8 are refused, not ignored.

A key's scopes; `<noun>:*` and `*` stand for all under them:

"""


def introduction() -> str:
    """The text, with the scopes there are."""
    return _CONVENTIONS + "".join(f"- `{scope}`: {what}\n" for scope, what in SCOPES.items())
