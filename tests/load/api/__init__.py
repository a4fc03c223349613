"""What the API bears: `make bench-api`, or `PYTHONPATH=tests python -m load.api --help`.

| Module | What it owns |
|---|---|
| `client` | the lightest HTTP client that is right: keep-alive connections, nothing but status, length and body |
| `open_loop` | requests sent when they are due, whatever became of those before |
| `workload` | the requests: reads, bookings, both, and 64 contenders for one slot |
| `report` | medians and spreads, as a table and as JSON |
"""
