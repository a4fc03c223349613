"""What the platform's admin alone sees: devices that nobody has taken in, and which application belongs to whom."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from parking_contracts.uplink import UplinkReceived

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
APPLICATION, EUI, OTHER_EUI = "ca739e26-7b67-4f14-b69e-d568c22a5a75", "70b3d57ed0061a2b", "70b3d57ed0061a2c"


@pytest.fixture
def wait(sql):
    """`await wait(dev_eui, minute, **changes)`: a frame that nobody could place, kept as the engine keeps it."""

    async def insert(dev_eui: str, minute: int, reason: str = "unknown_application", **changes: object) -> None:
        frame = UplinkReceived(
            **{"source": "chirpstack", "application_id": APPLICATION, "device_profile_name": "Bosch TPS110", **changes},
            dev_eui=dev_eui,
            deduplication_id=str(minute),
            received_at=NOON + timedelta(minutes=minute),
            dev_addr="00189440",
            f_cnt=minute,
            f_port=1,
        )
        columns = (frame.source, frame.application_id, dev_eui, frame.deduplication_id, reason)
        await sql.execute(
            """
            INSERT INTO occupancy.orphan_frames
                (source, application_id, dev_eui, deduplication_id, reason, envelope, received_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            *(*columns, msgspec.json.encode(frame), frame.received_at),
        )

    return insert


async def test_an_orphan_is_one_line_with_why_since_when_and_how_often(api, wait) -> None:
    await wait(EUI, 1)
    await wait(EUI, 7, device_profile_name='Bosch \u00e9 "two"')
    await wait(OTHER_EUI, 3, reason="no_codec")
    page = (await api.get("/api/v6/devices/orphans")).json()
    assert page["total"] == 2
    assert page["items"][0] == {
        "source": "chirpstack",
        "application_id": APPLICATION,
        "dev_eui": EUI,
        "reason": "unknown_application",
        "frames": 2,
        "first_received_at": "2026-05-04T12:01:00Z",
        "last_received_at": "2026-05-04T12:07:00Z",
        "profile_name": 'Bosch \u00e9 "two"',
    }
    assert (page["items"][1]["dev_eui"], page["items"][1]["reason"]) == (OTHER_EUI, "no_codec")


async def test_orphans_can_be_paged_and_filtered(api, wait) -> None:
    await wait(EUI, 1)
    await wait(EUI, 2, source="signed-proxy")
    await wait(OTHER_EUI, 3, reason="no_codec")
    await wait(OTHER_EUI, 4, application_id="another")
    for query, minutes in (
        ("", [4, 3, 2, 1]),
        ("limit=1&offset=1", [3]),
        ("reason=no_codec", [3]),
        ("source=chirpstack", [4, 3, 1]),
        (f"application_id={APPLICATION}&source=chirpstack", [3, 1]),
    ):
        items = (await api.get(f"/api/v6/devices/orphans?{query}")).json()["items"]
        assert [int(one["last_received_at"][14:16]) for one in items] == minutes, query
    assert (await api.get("/api/v6/devices/orphans?reason=shyness")).status_code == 422


async def test_a_frame_that_postgres_cannot_read_is_listed_without_its_profile(api, wait) -> None:
    await wait(EUI, 1, object=msgspec.Raw(b'{"half a character": "\\ud800"}'))
    (orphan,) = (await api.get("/api/v6/devices/orphans")).json()["items"]
    assert (orphan["dev_eui"], orphan["profile_name"]) == (EUI, None)


async def test_bindings_of_all_tenants_are_listed(api, registry, sql, tenant_id) -> None:
    other = await registry.tenant("other")
    for application_id, owner, mapping in (("a", other, None), ("b", tenant_id, '{"occupied_path": "car"}')):
        await sql.execute(
            "INSERT INTO occupancy.applications (source, application_id, tenant_id, object_mapping) "
            "VALUES ('chirpstack', $1, $2, $3)",
            *(application_id, owner, mapping),
        )
    page = (await api.get("/api/v6/applications")).json()
    assert page["total"] == 2
    assert [(one["application_id"], one["tenant_id"]) for one in page["items"]] == [
        ("a", str(other)),
        ("b", str(tenant_id)),
    ]
    assert [one["object_mapping"] for one in page["items"]] == [None, {"occupied_path": "car"}]
    assert page["items"][0]["clock"] == "live"


async def test_only_the_platforms_admin_sees_them(api, registry, tenant_id) -> None:
    key = await registry.key(tenant_id, "*")
    for path in ("/api/v6/devices/orphans", "/api/v6/applications"):
        answer = await api.get(path, headers={"X-API-Key": key})
        assert answer.status_code == 403
        assert answer.json()["details"] == {"missing": ["platform_admin"]}
