"""The thin HTTP gateway: authenticate, authorise, validate, translate. No parking rule lives here.

Changes travel as commands over NATS to the service that owns the noun; reads go to PostgreSQL through the views that
the owners grant; `live` follows the event streams for server-sent events.
"""

VERSION = "0.1.0"
