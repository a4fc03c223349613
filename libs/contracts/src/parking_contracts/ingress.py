"""The headers of an untouched event body on INGRESS: what whoever stored it knew and the body does not say.

Written by api_gateway for events that came over HTTP and for replayed dead letters; read by uplink_ingestor.
"""

from __future__ import annotations

SOURCE = "Parkstream-Source"
"""The integration that delivered it."""
RECEIVED_AT = "Parkstream-Received-At"
"""When it entered the platform, RFC 3339."""
TOPIC = "Parkstream-Topic"
"""The MQTT topic by which a replayed dead letter had come."""
REPLAY = "Parkstream-Replay"
"""The number of the dead letter whose replay it is."""
ENCODING = "Parkstream-Encoding"
"""`json`, `protobuf`, or `auto` where the sender did not say."""
APPLICATION = "Parkstream-Application"
"""The one application that the sender was allowed to speak for here; the event must be of it."""
NO_APPLICATION = "-"
"""None was found in the body: an event that turns out to be of one was never authorised."""
