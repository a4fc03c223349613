"""What ChirpStack publishes about a device, as typed events. Pure, but for the ids, which are new each time.

In: who, when (ns since 1970) and what. Out: events of `chirpstack_events`.
"""

from __future__ import annotations

import random
import uuid
from typing import Final

from parking_simulator import chirpstack_events as events
from parking_simulator.chirpstack.network import Gateway, Network, NetworkDevice
from parking_simulator.chirpstack.queue import Dropped, QueueItem
from parking_simulator.sensors import Payload

REGION: Final = "eu868"
RX1_HZ, RX2_HZ = 868_100_000, 869_525_000
RX1_DBM, RX2_DBM = 14, 27
BEST_SNR, SNR_PER_GATEWAY = 11.5, 4.0
BEST_RSSI, RSSI_PER_GATEWAY = -60, 20


def deduplication_id() -> str:
    """A new id, as each received frame gets one."""
    return str(uuid.uuid4())


def joined(network: Network, device: NetworkDevice, dev_addr: str, at_ns: int) -> events.JoinEvent:
    """A join that was accepted."""
    return events.JoinEvent(
        deduplication_id=deduplication_id(),
        time=events.format_time(at_ns),
        device_info=network.info(device),
        dev_addr=dev_addr,
        region_config_id=REGION,
    )


def uplink(
    network: Network,
    device: NetworkDevice,
    gateways: list[Gateway],
    payload: Payload,
    *,
    dev_addr: str,
    f_cnt: int,
    at_ns: int,
) -> events.UplinkEvent:
    """A frame that these gateways received, the nearest first; fPort 0 without data is one without application data."""
    time = events.format_time(at_ns)
    receptions = tuple(
        events.RxInfo(
            gateway_id=gateway.id,
            uplink_id=random.getrandbits(32),
            ns_time=time,
            rssi=BEST_RSSI - place * RSSI_PER_GATEWAY,
            snr=BEST_SNR - place * SNR_PER_GATEWAY,
            location=events.Location(latitude=gateway.latitude, longitude=gateway.longitude),
            context=b"\x01\x02\x03\x04",
            crc_status="CRC_OK",
        )
        for place, gateway in enumerate(gateways)
    )
    return events.UplinkEvent(
        deduplication_id=deduplication_id(),
        time=time,
        device_info=network.info(device),
        dev_addr=dev_addr,
        adr=True,
        dr=device.data_rate,
        f_cnt=f_cnt,
        f_port=payload.f_port,
        data=payload.data,
        rx_info=receptions,
        tx_info=events.UplinkTxInfo(frequency=RX1_HZ, modulation=_modulation(device.data_rate)),
        region_config_id=REGION,
    )


def transmitted(
    network: Network, device: NetworkDevice, item: QueueItem, gateway: Gateway, *, at_ns: int, immediately: bool
) -> events.TxAckEvent:
    """The gateway sent the item: in RX1 after an uplink, or at once in RX2."""
    timing = (
        events.Timing(immediately=events.Immediately())
        if immediately
        else events.Timing(delay=events.Delay(delay="1s"))
    )
    return events.TxAckEvent(
        downlink_id=random.getrandbits(32),
        time=events.format_time(at_ns),
        device_info=network.info(device, application_tags=False),
        queue_item_id=item.id,
        f_cnt_down=item.f_cnt_down or 0,
        gateway_id=gateway.id,
        tx_info=events.DownlinkTxInfo(
            frequency=RX2_HZ if immediately else RX1_HZ,
            power=RX2_DBM if immediately else RX1_DBM,
            modulation=_modulation(network.rx2_data_rate if immediately else device.data_rate, down=True),
            timing=timing,
            context=b"\x20\x26\x15\x1b",
        ),
    )


def acknowledged(
    network: Network, device: NetworkDevice, item: QueueItem, *, yes: bool, at_ns: int, frame: str = ""
) -> events.AckEvent:
    """The device acknowledged the item, or did not; `frame` is the deduplicationId of the uplink that shows it."""
    return events.AckEvent(
        deduplication_id=frame,
        time=events.format_time(at_ns),
        device_info=network.info(device, application_tags=yes),
        queue_item_id=item.id,
        acknowledged=yes,
        f_cnt_down=item.f_cnt_down or 0,
    )


def dropped(
    network: Network, device: NetworkDevice, item: QueueItem, why: Dropped, *, max_bytes: int, at_ns: int
) -> events.LogEvent:
    """The item left the queue unsent."""
    context = {"queue_item_id": item.id}
    if why == "too_large":
        code, said = "DOWNLINK_PAYLOAD_SIZE", "Device queue-item discarded because it exceeds the max. payload size"
        context |= {"max_payload_size": str(max_bytes), "item_size": str(len(item.data))}
    else:
        code, said = "EXPIRED", "Device queue-item discarded because it has expired"
    return events.LogEvent(
        time=events.format_time(at_ns),
        device_info=network.info(device, application_tags=False),
        level="ERROR",
        code=code,
        description=said,
        context=context,
    )


def not_transmitted(network: Network, device: NetworkDevice, *, at_ns: int) -> events.LogEvent:
    """The gateway could not send; ChirpStack does not say which item."""
    return events.LogEvent(
        time=events.format_time(at_ns),
        device_info=network.info(device),
        level="ERROR",
        code="DOWNLINK_GATEWAY",
        description="INTERNAL_ERROR",
    )


def _modulation(data_rate: int, *, down: bool = False) -> events.Modulation:
    return events.Modulation(
        lora=events.LoraModulation(
            bandwidth=125_000, spreading_factor=12 - data_rate, code_rate="CR_4_5", polarization_inversion=down
        )
    )
