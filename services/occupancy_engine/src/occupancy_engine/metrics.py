"""Every metric of the engine."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

UPLINKS = Counter(
    "parkstream_engine_uplinks_total", "Uplinks handled: new, duplicate, orphan or undecodable", ["outcome"]
)
STATE_CHANGES = Counter("parkstream_engine_state_changes_total", "Visible changes of spaces")
STAYS_REPAIRED = Counter("parkstream_engine_stays_repaired_total", "Stays rewritten because of late readings")
BATCH_SECONDS = Histogram(
    "parkstream_engine_batch_seconds",
    "From a batch's first message in hand to its commit",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BATCH_SIZE = Histogram(
    "parkstream_engine_batch_messages", "Messages per batch", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
UPLINK_AGE_SECONDS = Histogram(
    "parkstream_engine_uplink_age_seconds",
    "From an uplink's receipt to its commit",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30, 300),
)
COMMANDS = Counter("parkstream_engine_commands_total", "Commands answered", ["command", "outcome"])
DEAD_LETTERS = Counter("parkstream_engine_dead_letters_total", "Messages set aside as poison", ["code"])
DEVICES_SILENT = Counter("parkstream_engine_devices_silent_total", "Devices that fell silent")
DEVICE_EVENTS = Counter("parkstream_engine_device_events_total", "What was told of devices, by kind", ["event"])
ALERTS = Counter("parkstream_engine_alerts_total", "Alerts opened and closed", ["change"])
WATERMARK_AGE_SECONDS = Gauge(
    "parkstream_engine_watermark_age_seconds", "How far a source's watermark is behind now", ["source"]
)

# The city, counted now and then
SPACES = Gauge("parkstream_engine_spaces", "Spaces of all tenants, by the state that they show", ["state"])
DEVICES = Gauge("parkstream_engine_devices", "Sensors on spaces: heard, silent, or never heard by now", ["condition"])
ALERTS_OPEN = Gauge("parkstream_engine_alerts_open", "Alerts that are open, by kind", ["kind"])
ORPHAN_DEVICES = Gauge(
    "parkstream_engine_orphan_devices", "Devices of no known application or without a codec, up to 1,000"
)
ORPHAN_FRAMES = Gauge("parkstream_engine_orphan_frames", "Their frames that wait, up to 10,000")
PARTITIONS_UNTIL = Gauge(
    "parkstream_engine_partitions_until_timestamp_seconds", "Until when a table has its partitions", ["table"]
)

# The figures of the past
ROLLUP_DAYS = Counter("parkstream_engine_rollup_days_total", "Local days of sites computed from their stays")
ROLLUPS_COMPUTED_UNTIL = Gauge(
    "parkstream_engine_rollups_computed_until_timestamp_seconds", "Until when the figures of the past are computed"
)
