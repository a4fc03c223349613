"""A ChirpStack v4 of one process, with displays behind it: for tests, for the demo city, for benchmarks.

What comes in: gRPC calls as the `chirpstack-api` stubs make them, `command/down` over MQTT, and uplinks that somebody
else publishes for a device (they open its receive window). What goes out: answers, `txack`, `ack`, `log`, `join` and
`up` in ChirpStack's JSON. It follows ChirpStack's sources, its oddities above all; a service that works against it is
pointed at a real one by URL and token alone.

`network` is plain data, `queue` and `displays` are pure; `downlinks` decides when an item goes on air and what becomes
of it; `access`, `gate`, `device_service`, `gateway_service` and `directory_services` are the gRPC side; `mqtt_side` the
other one; `double` puts it together:

    async with ChirpStackDouble(network, mqtt="mqtt://127.0.0.1:1883", token="secret") as chirpstack:
        ...                                   # point a service at chirpstack.url
        assert chirpstack.displays["2020203705180102"].shows == Colour(255, 0, 0)
"""

from parking_simulator.chirpstack.air import DisplayOnAir
from parking_simulator.chirpstack.double import ChirpStackDouble
from parking_simulator.chirpstack.downlinks import Timing
from parking_simulator.chirpstack.gate import Faults
from parking_simulator.chirpstack.network import (
    Application,
    DeviceProfile,
    Gateway,
    Network,
    NetworkDevice,
    Tenant,
)
from parking_simulator.chirpstack.queue import Enqueued

__all__ = [
    "Application",
    "ChirpStackDouble",
    "DeviceProfile",
    "DisplayOnAir",
    "Enqueued",
    "Faults",
    "Gateway",
    "Network",
    "NetworkDevice",
    "Tenant",
    "Timing",
]
