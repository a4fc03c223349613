"""Outgoing webhooks: events of the bus, signed and sent to the endpoints that tenants name (Standard Webhooks).

`intake` writes a delivery for each event and endpoint before it acknowledges the event; `sender` claims what is due
and posts it (`receivers`, through `network`, which connects to public addresses alone); `outcomes` says what follows
from an answer; `replays` makes deliveries again from the streams; `upkeep` disables and forgets. `outgoing` runs them.
"""
