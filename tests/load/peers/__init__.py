"""The same uplinks through Node-RED, side by side: `make bench-peers`.

| Module | What it owns |
|---|---|
| `nodered/` | Node-RED pinned by its lock, its settings, and the flow: MQTT in, a function, one INSERT per uplink |
| `node_red` | its installation, its process and its table; how fast it works off a burst |
| `rounds` | both in turn, on the same Mosquitto and the same PostgreSQL, while the other is held |
| `report` | rates, ratios and CPU per uplink |
"""
