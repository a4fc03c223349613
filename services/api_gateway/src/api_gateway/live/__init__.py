"""Live events for clients: one ordered consumer per stream and process, a ring of what passed, and many subscribers.

`tail` follows a stream; `feed` puts every event into the `ring` and offers it to the `subscription`s of its tenant;
`backlog` reads what is older than the ring from JetStream; `response` writes it all as server-sent events.
"""
