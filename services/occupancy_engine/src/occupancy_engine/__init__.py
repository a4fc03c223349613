"""From uplinks to readings, stays and the state of every space.

`uplinks` is the path of a batch, `commands` changes the nouns, `reservations` and `device_events` follow other
streams, `clocks` is what happens by time alone. The rules are in `domain`, all SQL in `store`.
"""

SERVICE = "occupancy_engine"
"""Its role in PostgreSQL, its durable consumers, its name in logs and dead letters."""
SCHEMA = "occupancy"
"""Where its tables are."""
