"""What a role attempts on a relation, and what came of it. Every attempt is rolled back."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from isolation.catalogue import Relation, columns_with
from isolation.filling import ROWS, TwoTenants, fingerprint, insert
from isolation.tally import Tally

RUBBISH = "' OR true --"
# What `app.tenant_id` holds: our tenant, what a pooled connection leaves behind, nothing at all, an attacker's wish.
TENANT_SETTINGS: Mapping[str, str | None] = {"ours": "", "empty": "", "unset": None, "rubbish": RUBBISH}
# Confirming a foreign key would tell of other rows and hide what row-level security lets through.
NO_FOREIGN_KEYS = "SET LOCAL session_replication_role = replica"


@dataclass
class Asker:
    """One role on one connection, with one setting of `app.tenant_id`."""

    connection: asyncpg.Connection
    tenants: TwoTenants
    tally: Tally
    role: str
    setting: str
    admin: bool = False
    _untouched: dict[str, set[str]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def acting(self) -> AsyncIterator[None]:
        """A transaction in the role, undone at the end."""
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute(NO_FOREIGN_KEYS)
            value = str(self.tenants.ours.id) if self.setting == "ours" else TENANT_SETTINGS[self.setting]
            if value is not None:
                await self.connection.execute("SELECT set_config('app.tenant_id', $1, true)", value)
            if self.admin:
                await self.connection.execute("SET LOCAL app.platform_admin = 'on'")
            await self.connection.execute(f"SET LOCAL ROLE {self.role}")
            yield
        finally:
            await transaction.rollback()

    async def attempt(self, what: str, relation: Relation, statement: str, *arguments: Any) -> list[str] | None:
        """Run a statement and note what came of it; the rows it gave, or None when it was refused."""
        if relation.name not in self._untouched:
            self._untouched[relation.name] = await self._theirs(relation)
        async with self.acting():
            try:
                rows = await self.connection.fetch(statement, *arguments)
            except asyncpg.InsufficientPrivilegeError as error:
                self._note(what, "denied" if "permission denied" in str(error) else "refused by policy")
                return None
            except asyncpg.PostgresError as error:
                if self.setting == "rubbish" and isinstance(error, asyncpg.InvalidTextRepresentationError):
                    self._note(what, "refused")
                else:
                    self._leak(what, relation, f"{statement}: {type(error).__name__}: {error}")
                return None
            await self.connection.execute("RESET ROLE")
            if not self._untouched[relation.name] <= await self._theirs(relation):
                self._leak(what, relation, f"{statement} changed theirs")
                return None
        seen = [str(row[0]) for row in rows]
        if heard := self.tenants.heard_of(" ".join(seen)):
            self._leak(what, relation, f"{statement} shows {sorted(heard)[:3]}")
        else:
            self._note(what, "ours alone" if seen else "none of theirs")
        return seen

    async def attempt_row(self, what: str, relation: Relation, row: Mapping[str, Any]) -> None:
        """Insert a row that carries their name."""
        async with self.acting():
            try:
                await insert(self.connection, relation.name, row)
            except asyncpg.InsufficientPrivilegeError as error:
                self._note(what, "denied" if "permission denied" in str(error) else "refused by policy")
            except asyncpg.PostgresError as error:
                if self.setting == "rubbish" and isinstance(error, asyncpg.InvalidTextRepresentationError):
                    self._note(what, "refused")
                else:
                    self._leak(what, relation, f"an inserted row got as far as {type(error).__name__}: {error}")
            else:
                self._leak(what, relation, "a row of theirs was inserted")

    async def _theirs(self, relation: Relation) -> set[str]:
        return set() if relation.is_view else await fingerprint(self.connection, relation, self.tenants.theirs)

    def _note(self, what: str, outcome: str) -> None:
        self.tally.note(self.role, what, outcome)

    def _leak(self, what: str, relation: Relation, story: str) -> None:
        self.tally.leak(self.role, what, f"{relation.name} with app.tenant_id {self.setting}: {story}")


async def try_reading(asker: Asker, relation: Relation) -> None:
    """Everything the role has a column for; nothing of theirs may be in it."""
    columns = await columns_with(asker.connection, asker.role, relation, "SELECT")
    chosen = ", ".join(columns or relation.columns)
    await asker.attempt("SELECT", relation, f"SELECT row({chosen})::text FROM {relation.name}")
    if "tenant_id" in columns:
        await asker.attempt(
            "SELECT", relation, f"SELECT row({chosen})::text FROM {relation.name} WHERE tenant_id = $1", theirs(asker)
        )


async def try_writing(asker: Asker, relation: Relation) -> None:
    """Change, move, delete and add rows of theirs; that nobody may write to a view is a matter of rights."""
    if relation.is_view:
        return
    updatable = await columns_with(asker.connection, asker.role, relation, "UPDATE")
    readable = await columns_with(asker.connection, asker.role, relation, "SELECT")
    allowed = [column for column in relation.writable if column in updatable]
    column = next(iter(allowed), relation.writable[0])
    value = column if column in readable else "DEFAULT"
    await asker.attempt("UPDATE", relation, f"UPDATE {relation.name} SET {column} = {value}")
    if "tenant_id" in allowed:
        await asker.attempt("UPDATE", relation, f"UPDATE {relation.name} SET tenant_id = $1", theirs(asker))
    await asker.attempt("DELETE", relation, f"DELETE FROM {relation.name}")
    if "tenant_id" in readable:
        await asker.attempt("DELETE", relation, f"DELETE FROM {relation.name} WHERE tenant_id = $1", theirs(asker))
    if make := ROWS.get(relation.name):
        await asker.attempt_row("INSERT", relation, make(asker.tenants.theirs))
    await asker.attempt("TRUNCATE", relation, f"TRUNCATE {relation.name}")


def theirs(asker: Asker) -> UUID:
    return asker.tenants.theirs.id
