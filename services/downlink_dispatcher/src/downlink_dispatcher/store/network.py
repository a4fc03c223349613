"""What the network server's own API told, and the rounds of asking it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from parking_chassis.postgres import Connection, Pool
from parking_contracts.network import GatewaySynced

SYNC_CHANNEL = "downlink_sync"
ANNOUNCE_AGAIN_SECONDS = 3_600.0


class ListedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the network server; `digest` changes when something worth telling does."""

    dev_eui: str
    application_id: str
    device_class: str
    is_bound: bool
    digest: bytes


class PooledDirectory:
    """Where the last sync found devices, for who may be sent to."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def application_of(self, dev_eui: str) -> str | None:
        """The application of a device; None when the sync has not seen it."""
        async with self._pool.acquire() as connection:
            return await application_of(connection, dev_eui)


async def application_of(connection: Connection, dev_eui: str) -> str | None:
    """The application in which the last sync found a device."""
    found: str | None = await connection.fetchval(
        "SELECT application_id FROM downlink.network_devices WHERE dev_eui = $1", dev_eui
    )
    return found


async def read_bindings(connection: Connection, source: str) -> tuple[dict[str, UUID], dict[str, set[UUID]]]:
    """Whose an application is: by this integration's bindings, and by those of any integration."""
    rows = await connection.fetch("SELECT source, application_id, tenant_id FROM occupancy.application_tenants")
    own: dict[str, UUID] = {}
    every: dict[str, set[UUID]] = defaultdict(set)
    for row in rows:
        every[row["application_id"]].add(row["tenant_id"])
        if row["source"] == source:
            own[row["application_id"]] = row["tenant_id"]
    return own, dict(every)


async def note_devices(connection: Connection, devices: Sequence[ListedDevice]) -> set[str]:
    """Keep a page of devices, each named once; returns those to be told of: new, changed, or not told for an hour.

    One whose application nobody has bound is told of just once, when it was told of before; and again as soon as
    somebody has.
    """
    rows = await connection.fetch(
        """
        INSERT INTO downlink.network_devices AS known
            (dev_eui, application_id, device_class, digest, synced_at, announced_at)
        SELECT dev_eui, application_id, device_class, digest, now(),
               CASE WHEN is_bound THEN now() ELSE '-infinity'::timestamptz END
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::boolean[])
             AS told (dev_eui, application_id, device_class, digest, is_bound)
        ON CONFLICT (dev_eui) DO UPDATE
        SET application_id = excluded.application_id, device_class = excluded.device_class,
            digest = excluded.digest, synced_at = now(),
            announced_at = CASE
                WHEN excluded.announced_at = '-infinity' THEN excluded.announced_at
                WHEN known.digest <> excluded.digest THEN now()
                WHEN known.announced_at <= now() - make_interval(secs => $6) THEN now()
                ELSE known.announced_at END
        RETURNING new.dev_eui,
                  new.announced_at = now()
                  OR coalesce(old.announced_at > '-infinity' AND new.announced_at = '-infinity', false) AS is_due
        """,
        [one.dev_eui for one in devices],
        [one.application_id for one in devices],
        [one.device_class for one in devices],
        [one.digest for one in devices],
        [one.is_bound for one in devices],
        ANNOUNCE_AGAIN_SECONDS,
    )
    return {row["dev_eui"] for row in rows if row["is_due"]}


async def forget_devices(connection: Connection, not_seen_since: datetime) -> None:
    """Remove the devices that a complete round did not find."""
    await connection.execute("DELETE FROM downlink.network_devices WHERE synced_at < $1", not_seen_since)


async def note_gateways(connection: Connection, gateways: Sequence[tuple[UUID, GatewaySynced]]) -> None:
    """Keep LoRaWAN gateways, each named once per tenant that it serves."""
    if not gateways:
        return
    await connection.execute(
        """
        INSERT INTO downlink.gateways
            (tenant_id, gateway_id, network_tenant_id, name, description, latitude, longitude, altitude, state,
             last_seen_at, received_24h, sent_24h, synced_at)
        SELECT tenant_id, gateway_id, network_tenant_id, name, description, latitude, longitude, altitude, state,
               last_seen_at, received, sent, now()
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[],
                    $8::float8[], $9::text[], $10::timestamptz[], $11::bigint[], $12::bigint[])
             AS told (tenant_id, gateway_id, network_tenant_id, name, description, latitude, longitude, altitude,
                      state, last_seen_at, received, sent)
        ON CONFLICT (tenant_id, gateway_id) DO UPDATE
        SET network_tenant_id = excluded.network_tenant_id, name = excluded.name,
            description = excluded.description, latitude = excluded.latitude, longitude = excluded.longitude,
            altitude = excluded.altitude, state = excluded.state, last_seen_at = excluded.last_seen_at,
            received_24h = excluded.received_24h, sent_24h = excluded.sent_24h, synced_at = excluded.synced_at
        """,
        [tenant_id for tenant_id, _ in gateways],
        *zip(
            *(
                (
                    one.gateway_id,
                    one.network_tenant_id,
                    one.name,
                    one.description,
                    one.latitude,
                    one.longitude,
                    one.altitude,
                    one.state,
                    one.last_seen_at,
                    one.received_24h,
                    one.sent_24h,
                )
                for _, one in gateways
            ),
            strict=True,
        ),
    )


async def forget_gateways(connection: Connection, not_seen_since: datetime) -> None:
    """Remove the gateways that a complete round did not find, or not for this tenant any more."""
    await connection.execute("DELETE FROM downlink.gateways WHERE synced_at < $1", not_seen_since)


async def begin_round(
    connection: Connection, *, every_seconds: float, again_seconds: float, shortest_seconds: float
) -> datetime | None:
    """Begin a round if one is due, and return when it began.

    Due: by time, on request, when an application was bound since, or when the one before was not ended (its process
    died) or failed; but never sooner than `shortest_seconds` after the one before began.
    """
    began: datetime | None = await connection.fetchval(
        """
        UPDATE downlink.sync_rounds SET began_at = now()
        WHERE began_at <= now() - make_interval(secs => $3)
          AND (began_at <= now() - make_interval(secs => $1)
               OR requested_at > began_at
               OR EXISTS (SELECT FROM occupancy.application_tenants WHERE created_at > began_at)
               OR ended_at < began_at
               OR (error <> '' AND ended_at <= now() - make_interval(secs => $2)))
        RETURNING began_at
        """,
        every_seconds,
        again_seconds,
        shortest_seconds,
    )
    return began


async def end_round(connection: Connection, *, error: str, devices: int, gateways: int) -> None:
    """Note what a round came to; after an error the counts stay those of the last good one."""
    await connection.execute(
        """
        UPDATE downlink.sync_rounds
        SET ended_at = now(), error = $1,
            devices = CASE WHEN $1 = '' THEN $2 ELSE devices END,
            gateways = CASE WHEN $1 = '' THEN $3 ELSE gateways END
        """,
        error,
        devices,
        gateways,
    )


async def read_problem(connection: Connection, *, late_seconds: float) -> str | None:
    """What was wrong with the latest round, or that there has been none for so long; None when all is well."""
    problem: str | None = await connection.fetchval(
        """
        SELECT CASE
            WHEN error <> '' THEN 'devices and gateways could not be asked for: ' || error
            WHEN greatest(ended_at, pg_postmaster_start_time()) < now() - make_interval(secs => $1)
            THEN 'devices and gateways were last asked for at ' || ended_at END
        FROM downlink.sync_rounds
        """,
        late_seconds,
    )
    return problem
