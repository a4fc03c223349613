"""paho's reading, replaced: all packets of one `recv` are taken apart at once, and PUBACKs leave as one buffer.

paho reads a PUBLISH with three system calls, an object and several log calls, which costs more than all the rest of an
uplink. It keeps everything else: connecting, keep-alive, subscribing, writing. This module rests on private parts of
the pinned paho-mqtt (`loop_read` as the reading entry, `_sock_recv`, `_in_packet` with `_packet_handle`,
`_packet_queue`, `_loop_rc_handle`, `loop_misc` with `_last_bytes_received` and `_ping_t`); tests/test_paho_reading.py
is the contract. One reader serves one connection: a packet id means nothing on the next one.

A broker may have no more messages under way to us than we asked for, and Mosquitto 2.0 has many more once PUBACKs come
(46,000 where 2,000 were allowed). So the reader reads no further than that: the rest waits in the broker's memory.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import MQTTErrorCode

RECEIVE_BYTES = 256 << 10

PUBLISH = 0x30
PUBACK = 0x40
SUBACK = 0x90
_ONE_PUBACK = b"\x40\x02"
_SUCCESS = MQTTErrorCode.MQTT_ERR_SUCCESS


class ProtocolError(Exception):
    """The broker sent what MQTT does not allow, or what was never asked for."""


# Ours, and what bytes without sense have paho raise: such a connection is of no use any more.
UNREADABLE = (ProtocolError, struct.error, AttributeError, LookupError, TypeError, ValueError)

OnPublish = Callable[[bytes, bytes, int], None]


class PahoReader:
    """Reads one paho client's connection; `on_publish(topic, payload, packet_id)`, packet id 0 at QoS 0."""

    def __init__(self, paho: Client, on_publish: OnPublish, *, protocol: int, window: int) -> None:
        self._paho = paho
        self._on_publish = on_publish
        self._has_properties = protocol == MQTTv5
        self._rest = bytearray()
        self._needed = 0
        self._pubacks = bytearray()
        self._window = window
        self._unacknowledged: set[int] = set()
        self._is_subscribed = False
        self._is_waiting = False
        self._loop = asyncio.get_running_loop()
        self._loop_misc = paho.loop_misc
        paho.loop_read = self.read  # type: ignore[method-assign]  # aiomqtt calls it when the socket is readable
        paho.loop_misc = self._keep_alive  # type: ignore[method-assign]  # and this every second

    def read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Receive once and handle every complete packet."""
        paho = self._paho
        if paho._sock is None:  # noqa: SLF001
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            chunk = paho._sock_recv(RECEIVE_BYTES)  # noqa: SLF001
        except BlockingIOError:
            return _SUCCESS
        except OSError:
            chunk = b""
        if not chunk:
            return paho._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)  # noqa: SLF001
        paho._last_bytes_received = time.monotonic()  # noqa: SLF001
        if self._rest:
            self._rest += chunk
            if len(self._rest) < self._needed:
                return _SUCCESS
            chunk = bytes(self._rest)
        try:
            taken = self._take_packets(chunk)
        except UNREADABLE:
            return paho._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)  # noqa: SLF001
        self._rest = bytearray(chunk[taken:])
        # Never before the SUBACK, which comes behind whatever the session has kept for us.
        is_full = len(self._unacknowledged) > self._window and self._is_subscribed
        if is_full and paho._sock is not None and not self._is_waiting:  # noqa: SLF001
            self._is_waiting = True
            self._loop.remove_reader(paho._sock.fileno())  # noqa: SLF001
        return _SUCCESS

    def _keep_alive(self) -> MQTTErrorCode:
        """Send PINGREQ when it is time; while we do not read, nobody can know of the answers."""
        if self._is_waiting:
            self._paho._ping_t = 0.0  # noqa: SLF001
            self._paho._last_bytes_received = time.monotonic()  # noqa: SLF001
        return self._loop_misc()

    def _read_on(self) -> None:
        """Read as aiomqtt does: until TLS holds nothing more that it has decrypted."""
        self.read()
        while getattr(self._paho._sock, "pending", int)() > 0:  # noqa: SLF001
            self.read()

    def _take_packets(self, data: bytes) -> int:
        """Handle the complete packets in `data`; the number of bytes they took."""
        at, end = 0, len(data)
        while end - at >= 2:
            length, body = data[at + 1], at + 2
            if length > 0x7F:
                length, body = _long_length(data, at + 1, end)
                if not body:
                    self._needed = end - at + 1
                    return at
            if body + length > end:
                self._needed = body + length - at
                return at
            if data[at] & 0xF0 == PUBLISH:
                self._take_publish(data[at], data, body, body + length)
            elif not self._hand_to_paho(data[at], data[body : body + length]):
                return end
            at = body + length
        self._needed = 2
        return at

    def _take_publish(self, command: int, data: bytes, at: int, end: int) -> None:
        topic_at = at + 2
        at = topic_at + (data[at] << 8 | data[at + 1])
        topic = data[topic_at:at]
        quality = command & 0x06
        packet_id = 0
        if quality:
            packet_id = data[at] << 8 | data[at + 1]
            at += 2
        if self._has_properties:
            length, at = (data[at], at + 1) if data[at] < 0x80 else _long_length(data, at, end)
            at += length
        if at > end or quality > 0x02 or not topic:
            raise ProtocolError("a PUBLISH cut short, at QoS 2, or without a topic; QoS 1 was subscribed to")
        if packet_id:
            self._unacknowledged.add(packet_id)
        self._on_publish(topic, data[at:end], packet_id)

    def _hand_to_paho(self, command: int, body: bytes) -> bool:
        """Every other packet is paho's; false when the connection did not outlive it."""
        paho = self._paho
        self._is_subscribed |= command & 0xF0 == SUBACK
        paho._in_packet = {  # noqa: SLF001
            "command": command,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(body),
            "packet": bytearray(body),
            "to_process": 0,
            "pos": 0,
        }
        code = paho._packet_handle()  # noqa: SLF001
        if code > 0:
            paho._loop_rc_handle(code)  # noqa: SLF001
        return code <= 0 and paho._sock is not None  # noqa: SLF001

    def acknowledge(self, packet_id: int) -> None:
        """Send a PUBACK, together with all others of this turn of the event loop."""
        if not self._pubacks:
            self._loop.call_soon(self._flush)
        self._pubacks += _ONE_PUBACK + packet_id.to_bytes(2, "big")
        self._unacknowledged.discard(packet_id)

    def _flush(self) -> None:
        pubacks, self._pubacks = self._pubacks, bytearray()
        if self._paho._sock is not None:  # noqa: SLF001
            self._paho._packet_queue(PUBACK, pubacks, 0, 1)  # noqa: SLF001  paho minds partial writes
        if self._is_waiting and len(self._unacknowledged) <= self._window and self._paho._sock is not None:  # noqa: SLF001
            self._is_waiting = False
            self._loop.add_reader(self._paho._sock.fileno(), self._read_on)  # noqa: SLF001


def _long_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable byte integer of two to four bytes and where it ends; the end is 0 when bytes are missing."""
    value = 0
    for place in range(4):
        if at + place >= end:
            return 0, 0
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ProtocolError("a length of more than four bytes")
