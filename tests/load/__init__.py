"""What the platform bears: `make bench`, or `PYTHONPATH=tests python -m load --help`.

A command, not a test: figures depend on the machine. `test_bench_works.py` only checks that it measures at all.

| Module | What it owns |
|---|---|
| `running_platform` | a `parkstream up` of its own, with its shipped defaults |
| `street` | the sensors and their frames, rendered before the clock starts |
| `latency` | MQTT publish to server-sent event, at a fixed rate |
| `burst` | uplinks per second while a burst is worked off, and what that costs |
| `consumption` | memory and CPU seconds of each process |
| `api` | what the API bears: `make bench-api` |
| `figures` | medians and spreads, as a table and as JSON |
"""
