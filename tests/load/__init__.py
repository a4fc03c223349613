"""What the platform bears: `make bench`, or `PYTHONPATH=tests python -m load --help`.

A command, not a test: figures depend on the machine. `test_bench_works.py` only checks that it measures at all.

| Module | What it owns |
|---|---|
| `running_platform` | a `parkstream up` of its own, with its shipped defaults |
| `street`, `traffic` | the sensors and their frames, rendered before the clock starts; what must be stored of them |
| `mqtt_sender` | the publisher, which costs as little as it can |
| `latency` | MQTT publish to server-sent event, at a fixed rate |
| `drain`, `stored` | how fast a burst is worked off, at what cost, and whether all of it is stored once |
| `consumption` | memory and CPU of each process |
| `profile`, `statements` | with `--profile`: functions of ingestor and engine, statements of PostgreSQL |
| `prepared`, `provisioning`, `filling` | what comes before: spaces, sensors, and where it is wanted a past |
| `figures` | medians and spreads, as a table and as JSON |
| `command` | what every benchmark's command line shares |
| `scale`, `backlog`, `soak` | `make bench-scale`, `make bench-backlog`, `make bench-soak` |
| `peers`, `api`, `displays`, `history` | `make bench-peers`, `make bench-api`, ... |
"""
