"""Routes for ingress credentials: made, shown, changed, rotated and revoked by the tenant's admins."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import asyncpg
from fastapi import Query, Response

from api_gateway.http.idempotent_writes import Once
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import IngressCredentialsReader, IngressCredentialsWriter
from api_gateway.identity.database import Database
from api_gateway.ingress import queries
from api_gateway.ingress.models import (
    CredentialId,
    IngressCredential,
    IngressCredentialChanges,
    IngressCredentialPage,
    NewIngressCredential,
    Rotation,
    ShownSecrets,
)
from api_gateway.ingress.tokens import make_id, make_signing_secret, make_token, spell_signing_secret
from parking_contracts.errors import ErrorCode

# What silence is judged by where an integration has no ticks of its own, and the ingestor's name as it is shipped.
RESERVED_SOURCES = frozenset({"ingress", "chirpstack", "mqtt"})
PATH = "/api/v6/ingress-credentials"
router = NounRouter(prefix=PATH, tags=["ingress"])


@router.get("", responses=READ)
async def list_ingress_credentials(
    caller: IngressCredentialsReader,
    database: Database,
    page: Paging,
    include_revoked: Annotated[bool, Query(description="also those that were revoked")] = False,
) -> IngressCredentialPage:
    """The tenant's credentials for handing in events over HTTP; none of their secrets."""
    total, rows = await queries.list_credentials(
        database, caller.tenant_id, include_revoked=include_revoked, limit=page.limit, offset=page.offset
    )
    return IngressCredentialPage(**page.of(total), items=[IngressCredential(**row) for row in rows])


@router.get("/{credential_id}", responses=READ_ONE)
async def get_ingress_credential(
    caller: IngressCredentialsReader, database: Database, credential_id: CredentialId
) -> IngressCredential:
    """One credential, revoked or not."""
    row = await queries.get_credential(database, caller.tenant_id, credential_id)
    return IngressCredential(**_found(row, credential_id))


@router.post("", status_code=201, responses=WRITE)
async def create_ingress_credential(
    caller: IngressCredentialsWriter, database: Database, once: Once, body: NewIngressCredential, response: Response
) -> ShownSecrets:
    """Make a credential for one integration. Its token and its signing secret are shown in this answer alone.

    A repetition with the same Idempotency-Key answers without them.
    """
    credential_id, signing_secret = make_id(), make_signing_secret()
    token, digest = make_token(credential_id)

    async def add() -> IngressCredential:
        if body.source in RESERVED_SOURCES or await queries.is_source_taken(database, caller.tenant_id, body.source):
            raise _taken(body.source)
        row = await queries.insert_credential(
            database,
            caller.tenant_id,
            credential_id,
            source=body.source,
            application_ids=body.application_ids,
            token_sha256=digest,
            signing_secret=signing_secret,
        )
        if row is None:
            raise _taken(body.source)
        return IngressCredential(**row)

    made = IngressCredential.model_validate_json(await once.carry_out(database, caller, body, add))
    response.headers["Location"] = f"{PATH}/{made.id}"
    if made.id != credential_id:
        return ShownSecrets(**made.model_dump())
    return ShownSecrets(**made.model_dump(), token=token, signing_secret=spell_signing_secret(signing_secret))


@router.patch("/{credential_id}", responses=WRITE)
async def change_ingress_credential(
    caller: IngressCredentialsWriter, database: Database, credential_id: CredentialId, body: IngressCredentialChanges
) -> IngressCredential:
    """Change which applications it may speak for, from the next event on."""
    row = await queries.set_applications(database, caller.tenant_id, credential_id, body.application_ids)
    return IngressCredential(**_found(row, credential_id))


@router.post("/{credential_id}/rotate", responses=WRITE)
async def rotate_ingress_secret(
    caller: IngressCredentialsWriter, database: Database, once: Once, credential_id: CredentialId, body: Rotation
) -> ShownSecrets:
    """Make a new token or signing secret; the present one stays good for a while, so that no event is refused.

    A repetition with the same Idempotency-Key makes none, and answers without the one that was made.
    """
    shown: dict[str, str] = {}

    async def replace() -> IngressCredential:
        kept_for = timedelta(seconds=body.keep_old_seconds)
        if body.secret == "token":  # noqa: S105  the kind, not a secret
            shown["token"], kept = make_token(credential_id)
        else:
            kept = make_signing_secret()
            shown["signing_secret"] = spell_signing_secret(kept)
        row = await queries.replace_secret(database, caller.tenant_id, credential_id, body.secret, kept, kept_for)
        return IngressCredential(**_found(row, credential_id))

    done = IngressCredential.model_validate_json(await once.carry_out(database, caller, body, replace))
    return ShownSecrets(**done.model_dump(), **shown)


@router.delete("/{credential_id}", status_code=204, responses=WRITE)
async def revoke_ingress_credential(
    caller: IngressCredentialsWriter, database: Database, credential_id: CredentialId
) -> None:
    """End it at once: what comes with it from now on is refused with 401. Nothing that was taken is lost."""
    if not await queries.revoke(database, caller.tenant_id, credential_id):
        raise not_found("ingress credential", credential_id)


def _found(row: asyncpg.Record | None, credential_id: str) -> asyncpg.Record:
    if row is None:
        raise not_found("ingress credential", credential_id)
    return row


def _taken(source: str) -> ProblemError:
    return ProblemError(
        ErrorCode.DUPLICATE_RESOURCE,
        f"source: the name {source} is taken; choose another",
        details={"field": "source"},
    )
