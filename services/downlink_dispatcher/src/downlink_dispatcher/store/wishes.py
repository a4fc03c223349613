"""What displays should show: whom an event concerns, what is known of them, and the wishes written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg

from downlink_dispatcher.domain.display import DisplayKey
from downlink_dispatcher.domain.policy import Shade, default_shade
from downlink_dispatcher.domain.wish import Facts, Wish
from downlink_dispatcher.store.columns import columns
from downlink_dispatcher.store.displays import CHANNEL
from parking_chassis.postgres import Connection

SpaceKey = tuple[UUID, UUID]
"""(tenant, space)."""
SiteKey = tuple[UUID, UUID]
"""(tenant, site)."""
FreeSpaces = dict[tuple[UUID, UUID, str | None], int]
"""By (tenant, site, zone); with None for the zone: of the whole site."""


async def displays_concerned(
    connection: Connection, spaces: Collection[SpaceKey], sites: Collection[SiteKey]
) -> list[DisplayKey]:
    """The displays that are on these spaces or were, and the counters of these sites."""
    rows = await connection.fetch(
        """
        SELECT t.tenant_id, s.dev_eui
        FROM unnest($1::uuid[], $2::uuid[]) AS t (tenant_id, space_id)
        CROSS JOIN LATERAL (
            SELECT display_eui AS dev_eui FROM occupancy.space_directory
            WHERE tenant_id = t.tenant_id AND id = t.space_id AND display_eui IS NOT NULL LIMIT 1
        ) s
        UNION
        SELECT d.tenant_id, d.dev_eui FROM downlink.displays d
        WHERE (d.tenant_id, d.space_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
        UNION
        SELECT c.tenant_id, c.dev_eui FROM downlink.zone_counters c
        WHERE (c.tenant_id, c.site_id) IN (SELECT * FROM unnest($3::uuid[], $4::uuid[]))
        """,
        *columns(spaces),
        *columns(sites),
    )
    return [(row["tenant_id"], row["dev_eui"]) for row in rows]


async def displays_of_tenant(connection: Connection, tenant_id: UUID) -> list[DisplayKey]:
    """Every display of a tenant: with a row already, on a space, or a counter."""
    rows = await connection.fetch(
        """
        SELECT dev_eui FROM downlink.displays WHERE tenant_id = $1
        UNION
        SELECT display_eui FROM occupancy.space_directory
        WHERE tenant_id = $1 AND display_eui IS NOT NULL AND deleted_at IS NULL
        UNION
        SELECT dev_eui FROM downlink.zone_counters WHERE tenant_id = $1
        """,
        tenant_id,
    )
    return [(tenant_id, row["dev_eui"]) for row in rows]


async def look(connection: Connection, keys: Sequence[DisplayKey]) -> list[Facts]:
    """What is known of these displays now."""
    rows = await connection.fetch(
        """
        SELECT k.tenant_id, k.dev_eui, v.codec, v.codec_in_use, v.profile_name, v.is_bound,
               s.id AS space_id, s.state, s.version, p.colour, p.on_centiseconds, p.off_centiseconds,
               c.site_id, c.zone
        FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, dev_eui)
        LEFT JOIN LATERAL (
            SELECT codec, codec_in_use, profile_name, is_bound FROM occupancy.downlink_devices
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui LIMIT 1
        ) v ON true
        LEFT JOIN LATERAL (
            SELECT id, state, version FROM occupancy.space_directory
            WHERE tenant_id = k.tenant_id AND display_eui = k.dev_eui AND deleted_at IS NULL LIMIT 1
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT colour, on_centiseconds, off_centiseconds FROM downlink.display_policies
            WHERE tenant_id = k.tenant_id AND state = s.state LIMIT 1
        ) p ON true
        LEFT JOIN LATERAL (
            SELECT site_id, zone FROM downlink.zone_counters
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui LIMIT 1
        ) c ON true
        """,
        *columns(keys),
    )
    return [_facts(row) for row in rows]


def _facts(row: asyncpg.Record) -> Facts:
    return Facts(
        tenant_id=row["tenant_id"],
        dev_eui=row["dev_eui"],
        codec=row["codec"],
        codec_in_use=row["codec_in_use"],
        profile_name=row["profile_name"],
        is_bound=bool(row["is_bound"]),
        space_id=row["space_id"],
        state=row["state"],
        space_version=row["version"] or 0,
        shade=_shade(row),
        counter_site_id=row["site_id"],
        counter_zone=row["zone"],
    )


def _shade(row: asyncpg.Record) -> Shade | None:
    if row["colour"] is not None:
        return Shade(row["colour"], row["on_centiseconds"], row["off_centiseconds"])
    return default_shade(row["state"]) if row["state"] is not None else None


async def free_spaces(connection: Connection, sites: Collection[SiteKey]) -> FreeSpaces:
    """How many spaces are free."""
    rows = await connection.fetch(
        """
        SELECT t.tenant_id, t.site_id, s.zone, s.free, s.is_whole
        FROM unnest($1::uuid[], $2::uuid[]) AS t (tenant_id, site_id)
        CROSS JOIN LATERAL (
            SELECT zone, count(*) FILTER (WHERE state = 'free') AS free, grouping(zone) = 1 AS is_whole
            FROM occupancy.space_directory
            WHERE tenant_id = t.tenant_id AND site_id = t.site_id AND deleted_at IS NULL
            GROUP BY GROUPING SETS ((zone), ())
        ) s
        """,
        *columns(sites),
    )
    return {
        (row["tenant_id"], row["site_id"], row["zone"]): row["free"]
        for row in rows
        if row["is_whole"] or row["zone"] is not None
    }


async def write_wishes(connection: Connection, wishes: Sequence[Wish]) -> None:
    """New wishes: the next version, due now, and the senders woken.

    A display that another replica made at this moment, for a later version of its space, keeps that.
    """
    await connection.execute(
        f"""
        WITH written AS (
            INSERT INTO downlink.displays AS d (tenant_id, dev_eui, codec, space_id, space_version, desired,
                desired_command, desired_f_port, desired_payload, desired_cause, desired_version, desired_at, due_at)
            SELECT w.*, 1, now(), now()
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::text[], $7::jsonb[],
                        $8::smallint[], $9::bytea[], $10::text[]) AS w
            ON CONFLICT (tenant_id, dev_eui) DO UPDATE SET
                codec = excluded.codec, space_id = excluded.space_id, space_version = excluded.space_version,
                desired = excluded.desired, desired_command = excluded.desired_command,
                desired_f_port = excluded.desired_f_port, desired_payload = excluded.desired_payload,
                desired_cause = excluded.desired_cause, desired_version = d.desired_version + 1,
                desired_at = excluded.desired_at, due_at = excluded.due_at,
                -- bytes of another language say nothing about what is shown
                shown_payload = CASE WHEN d.codec = excluded.codec THEN d.shown_payload END
            WHERE d.space_id IS DISTINCT FROM excluded.space_id OR d.space_version <= excluded.space_version
        )
        SELECT pg_notify('{CHANNEL}', '')
        """,  # noqa: S608  the channel is a constant
        *_written(wishes),
    )


async def reword_wishes(connection: Connection, wishes: Sequence[Wish]) -> None:
    """Wishes with the bytes they had, and those withdrawn: nothing is to be sent for them.

    What a display shows whose wish is withdrawn is not known for long: it may become somebody else's in between.
    """
    await connection.execute(
        """
        UPDATE downlink.displays d
        SET codec = w.codec, space_id = w.space_id, space_version = w.space_version, desired = w.desired,
            desired_command = w.command, desired_f_port = w.f_port, desired_payload = w.payload,
            desired_cause = w.cause, shown_payload = CASE WHEN w.payload IS NOT NULL THEN d.shown_payload END
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::text[], $7::jsonb[],
                    $8::smallint[], $9::bytea[], $10::text[])
             AS w (tenant_id, dev_eui, codec, space_id, space_version, desired, command, f_port, payload, cause)
        WHERE d.tenant_id = w.tenant_id AND d.dev_eui = w.dev_eui
        """,
        *_written(wishes),
    )


def _written(wishes: Sequence[Wish]) -> list[list[object]]:
    """A column for each field, in the order in which both statements name them."""
    return [[getattr(wish, name) for wish in wishes] for name in Wish.__struct_fields__]
