"""Everybody who may ask in the name of our tenant: a key of each scope, of none, of all; a user of each role."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg
import httpx
from argon2 import PasswordHasher

from isolation.tenant import SECRET, SECRET_SHA256, Tenant

PLATFORM_ADMIN = "platform_admin"
API_KEY, ACCESS_TOKEN, INGRESS_TOKEN = "ApiKey", "AccessToken", "IngressToken"
ROLES = ("viewer", "operator", "admin", "owner")
PASSWORD = "three blue parking meters"


@dataclass(frozen=True)
class Caller:
    """Who asks, and the headers that say so."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()
    platform_admin: bool = False
    credential: str = API_KEY

    def may(self, rights: Iterable[frozenset[str]]) -> bool:
        """Whether one of these sets of scopes is covered."""
        return any(all(map(self._has, scopes)) for scopes in rights)

    def _has(self, scope: str) -> bool:
        if scope == PLATFORM_ADMIN:
            return self.platform_admin
        return bool({scope, f"{scope.partition(':')[0]}:*", "*"} & self.scopes)


async def make_keys(connection: asyncpg.Connection, tenant: Tenant, scopes: Iterable[str]) -> list[Caller]:
    """A key of no scope, of each single one, of each noun, of all, and the platform admin's with and without scopes."""
    each = sorted(set(scopes) - {PLATFORM_ADMIN})
    nouns = sorted({f"{scope.partition(':')[0]}:*" for scope in each})
    wanted = [((), False), *(((scope,), False) for scope in (*each, *nouns, "*")), ((), True), (("*",), True)]
    return [await make_key(connection, tenant, given, admin=admin) for given, admin in wanted]


async def make_key(
    connection: asyncpg.Connection, tenant: Tenant, scopes: Iterable[str], *, admin: bool = False
) -> Caller:
    given = list(scopes)
    name = " ".join(["key", *(given or ["without scope"]), *(["of the platform admin"] if admin else [])])
    await connection.execute(
        """
        INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes, platform_admin)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        *(tenant.id, tenant.key_id(name), tenant.word, SECRET_SHA256, given, admin),
    )
    return Caller(name, {"X-API-Key": tenant.key(name)}, frozenset(given), admin)


def integration_of(tenant: Tenant) -> Caller:
    """Whoever delivers events for the tenant over HTTP."""
    token = f"it_{tenant.key_id('ingress')}_{SECRET}"
    return Caller("integration", {"Authorization": f"Bearer {token}"}, credential=INGRESS_TOKEN)


async def make_users(connection: asyncpg.Connection, tenant: Tenant) -> None:
    """A user of each role."""
    hashed = PasswordHasher(time_cost=2, memory_cost=19 << 10, parallelism=1).hash(PASSWORD)
    for role in ROLES:
        await connection.execute(
            "INSERT INTO gateway.users (tenant_id, email, name, password_hash, role) VALUES ($1, $2, $3, $4, $5)",
            *(tenant.id, f"{role}.{tenant.email}", tenant.word, hashed, role),
        )


async def log_in(tenant: Tenant, client: httpx.AsyncClient) -> list[Caller]:
    """A session of each user; what he may do is what the gateway tells him that he may."""
    callers = []
    for role in ROLES:
        person = {"email": f"{role}.{tenant.email}", "password": PASSWORD}
        answer = await client.post("/api/auth/login", json=person)
        headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
        known = (await client.get("/api/auth/me", headers=headers)).raise_for_status().json()
        callers.append(Caller(f"user, {role}", headers, frozenset(known["scopes"]), credential=ACCESS_TOKEN))
    return callers
