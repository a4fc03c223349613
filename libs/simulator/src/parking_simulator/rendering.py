"""What happened to a device, put into ChirpStack's words: topic and body of one MQTT message.

In: occurrences. Out: `Message`s. The same occurrence always renders to the same bytes, so a message delivered twice
carries the same deduplicationId; radio quality and ids are derived from the frame, not drawn.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from parking_simulator import chirpstack_events as events
from parking_simulator.occurrences import Device, Join, Occurrence, Retransmission, Status, Uplink

NAMESPACE: Final = uuid.UUID("6f0e2a61-64f5-4a3c-9a55-6e1d4c7e7a10")
FREQUENCIES_HZ: Final = (868_100_000, 868_300_000, 868_500_000)
REGION: Final = "eu868"


class Message(NamedTuple):
    """One MQTT publish."""

    topic: str
    payload: bytes


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """The ChirpStack application that the devices belong to."""

    id: str
    name: str
    tenant_id: str = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"
    tenant_name: str = "Parkstream city"


class Renderer:
    """Renders the occurrences of one application. Holds nothing but a cache of each device's `deviceInfo`."""

    def __init__(self, application: Application, *, protobuf: bool = False) -> None:
        self.application = application
        self._encode: Callable[[events.Event], bytes] = events.encode_protobuf if protobuf else events.encode_json
        self._infos: dict[str, events.DeviceInfo] = {}

    def render(self, occurrence: Occurrence) -> Message:
        """Topic and body of the event that ChirpStack would publish."""
        event = self.event(occurrence)
        return Message(events.topic(event), self._encode(event))

    def event(self, occurrence: Occurrence) -> events.Event:
        """The event before it is encoded."""
        info = self._info(occurrence.device)
        if isinstance(occurrence, Uplink):
            return _uplink(occurrence, info)
        time = events.format_time(occurrence.at_ns)
        if isinstance(occurrence, Join):
            key = f"join/{info.dev_eui}/{occurrence.dev_addr}"
            return events.JoinEvent(
                deduplication_id=_id(info, key),
                time=time,
                device_info=info,
                dev_addr=occurrence.dev_addr,
                region_config_id=REGION,
            )
        if isinstance(occurrence, Status):
            return events.StatusEvent(
                deduplication_id=_id(info, f"status/{info.dev_eui}/{occurrence.at_ns}"),
                time=time,
                device_info=info,
                margin=occurrence.margin,
                battery_level=occurrence.battery_percent,
            )
        return _retransmission_log(occurrence, info, time)

    def _info(self, device: Device) -> events.DeviceInfo:
        info = self._infos.get(device.dev_eui)
        if info is None:
            application = self.application
            info = self._infos[device.dev_eui] = events.DeviceInfo(
                tenant_id=application.tenant_id,
                tenant_name=application.tenant_name,
                application_id=application.id,
                application_name=application.name,
                device_profile_id=str(uuid.uuid5(NAMESPACE, device.profile_name)),
                device_profile_name=device.profile_name,
                device_name=device.name,
                dev_eui=device.dev_eui,
                tags=device.tags,
            )
        return info


def _id(info: events.DeviceInfo, key: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{info.application_id}/{key}"))


def _uplink(frame: Uplink, info: events.DeviceInfo) -> events.UplinkEvent:
    key = f"{info.application_id}/up/{info.dev_eui}/{frame.dev_addr}/{frame.f_cnt}/{frame.attempt}"
    identity = uuid.uuid5(NAMESPACE, key)
    dice = identity.bytes
    data_rate = dice[0] % 6
    return events.UplinkEvent(
        deduplication_id=str(identity),
        time=events.format_time(frame.at_ns),
        device_info=info,
        dev_addr=frame.dev_addr,
        adr=True,
        dr=data_rate,
        f_cnt=frame.f_cnt,
        f_port=frame.f_port,
        data=frame.data,
        rx_info=_receptions(frame, dice),
        tx_info=events.UplinkTxInfo(
            frequency=FREQUENCIES_HZ[dice[1] % len(FREQUENCIES_HZ)],
            modulation=events.Modulation(
                lora=events.LoraModulation(bandwidth=125_000, spreading_factor=12 - data_rate, code_rate="CR_4_5")
            ),
        ),
        region_config_id=REGION,
    )


def _receptions(frame: Uplink, dice: bytes) -> tuple[events.RxInfo, ...]:
    """The nearest gateway hears every frame, at the instant itself; the others hear some, a little later."""
    receptions = []
    for place, gateway in enumerate(frame.device.gateways):
        roll = dice[2 + place]
        if place and roll < 100:
            continue
        delay_ns = place * (3_000_000 + roll * 40_000)
        receptions.append(
            events.RxInfo(
                gateway_id=gateway,
                uplink_id=int.from_bytes(dice[8:12], "big") + place,
                ns_time=events.format_time(frame.at_ns + delay_ns),
                rssi=-60 - place * 20 - roll % 30,
                snr=11.5 - place * 4 - (roll % 16) / 2,
                channel=dice[1] % len(FREQUENCIES_HZ),
                rf_chain=1,
                context=dice[12:16],
                crc_status="CRC_OK",
            )
        )
    return tuple(receptions)


def _retransmission_log(occurrence: Retransmission, info: events.DeviceInfo, time: str) -> events.LogEvent:
    key = f"log/{info.dev_eui}/{occurrence.f_cnt}/{occurrence.at_ns}"
    return events.LogEvent(
        time=time,
        device_info=info,
        level="WARNING",
        code="UPLINK_F_CNT_RETRANSMISSION",
        description="Uplink was flagged as re-transmission / frame-counter did not increment",
        context={"deduplication_id": _id(info, key), "f_cnt_up": str(occurrence.f_cnt)},
    )
