"""The SQL of outgoing webhooks. Functions take a connection and never commit.

`endpoints` and `deliveries` serve requests; `arrivals` writes what comes in, `sending` what goes out, `replays` what is
made again, `upkeep` is the clock's. Whoever locks endpoints and deliveries locks the endpoints first, in the order of
their keys.
"""
