"""Every metric of this service."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# What is wished
WISHES = Counter("parkstream_downlink_wishes_total", "New bytes that a display should show")

# What is sent
SETTLED = Counter(
    "parkstream_downlink_settled_total", "Wishes that came to what is shown already: nothing was sent for them"
)
TOKEN_WAITS = Counter("parkstream_downlink_token_waits_total", "Times that a display was due and had no token")
SENDS = Counter(
    "parkstream_downlink_sends_total",
    "Downlinks handed to the network server: sent, adopted, refused, given_up, denied or away",
    ["kind", "outcome"],
)
WISH_TO_SENT_SECONDS = Histogram(
    "parkstream_downlink_wish_to_sent_seconds",
    "From the wish to the network server's answer, for states that were sent",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
QUEUE = Gauge("parkstream_downlink_queue", "Commands that are under way", ["status"])
DISPLAYS_DUE = Gauge("parkstream_downlink_displays_due", "Displays to which something is to be sent")

# Commands of clients
COMMANDS = Counter(
    "parkstream_downlink_commands_total",
    "Commands answered, by name and outcome (accepted, or why refused)",
    ["command", "outcome"],
)

# What comes back
STEPS = Counter("parkstream_downlink_steps_total", "What became of commands after they were sent", ["status"])
REPORTS = Counter("parkstream_downlink_reports_total", "What displays reported, by what it means", ["verdict"])
ALERTS = Counter("parkstream_downlink_alerts_total", "Alerts of displays that do not show what they should", ["change"])
SWEPT = Counter("parkstream_downlink_swept_total", "What the sweep found to do, by kind", ["what"])
SWEEP_SECONDS = Histogram(
    "parkstream_downlink_sweep_seconds",
    "How long it took to look at every display",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300),
)

# The network server
NETWORK_UP = Gauge(
    "parkstream_downlink_network_up", "1 while the network server (or its MQTT broker) answers and lets us in", ["way"]
)
NETWORK_CALLS = Counter(
    "parkstream_downlink_network_calls_total",
    "Calls of the network server's API by what came of them: ok, away, or its error",
    ["call", "outcome"],
)
NETWORK_CALL_SECONDS = Histogram(
    "parkstream_downlink_network_call_seconds",
    "Time until the network server answered",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
GATEWAYS = Gauge(
    "parkstream_downlink_gateways", "LoRaWAN gateways of all tenants: online, offline or never_seen", ["state"]
)
FOREIGN_DEVICES = Counter(
    "parkstream_downlink_foreign_devices_total",
    "Downlinks withheld: the network server has the device in another application than the tenant's",
)
SYNC_ROUNDS = Counter("parkstream_downlink_sync_rounds_total", "Rounds of asking for devices and gateways", ["outcome"])
# A label, so that one who has nobody to ask does not tell of it.
SYNC_ENDED = Gauge(
    "parkstream_downlink_sync_ended_timestamp_seconds",
    "When this replica last asked for everything and was answered, or began to ask",
    ["source"],
)
SYNC_SKIPPED = Counter(
    "parkstream_downlink_sync_skipped_total", "Devices and gateways that were told in a way we cannot read", ["what"]
)
