"""How any Parkstream service lives; it knows no parking word.

`process` runs it until SIGTERM, `clock` does what it does by time alone, `settings` reads its environment, `logs` and
`health` show it, `nats_connection` and `postgres` open what it stands on. `pull_consumer` takes a stream's messages,
which `batch_subscriber` and, for quiet streams, `subscriber` hand over and settle; `command_desk` answers requests.
`outbox` and `inbox` tie messages to transactions, `dead_letters` keeps poison, `isolation` keeps one failure from its
neighbours. `windowed_publisher` and `pull_consumer` are fast for the uplinks' sake, both on `raw_inbox`.
"""
