"""How any Parkstream service lives; it knows no parking word.

`process` runs it until SIGTERM, `settings` reads its environment, `logs` and `health` show it, `nats_connection` and
`postgres` open what it stands on, `outbox` and `inbox` tie messages to transactions, `dead_letters` keeps poison,
`subscriber` settles the messages of quiet streams. Two modules serve the uplink path alone: `windowed_publisher` and
`pull_consumer`, both on `raw_inbox`.
"""
