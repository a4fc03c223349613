"""How soon a display is told: `make bench-displays`, or `PYTHONPATH=tests python -m load.displays --help`.

| Module | What it owns |
|---|---|
| `rounds` | the order: a platform and a ChirpStack double, every display at rest, then changes |
| `told` | which downlink belongs to which change, and how long it took |
| `report` | medians and spreads, as a table and as JSON |
"""
