"""PostgreSQL and NATS as foreground children of this process, for a machine that has neither.

`places` decides where data may live and who owns it, `child` starts and ends processes, `postgres` and `nats`
know one server each. All of it is blocking code: a caller in an event loop uses a thread for what waits.
"""
