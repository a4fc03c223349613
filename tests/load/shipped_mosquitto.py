"""The Mosquitto that a benchmark runs: the shipped configuration, on loopback and without users.

In: config/mosquitto/mosquitto.conf. Out: its limits and its persistence, in the form that `stack.brokers.Mosquitto`
fills in. Whatever says where something is or who may come is another's there, and left out.
"""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "mosquitto" / "mosquitto.conf"
KEPT_PREFIXES = ("max_", "autosave_", "memory_limit", "message_size_limit", "persistent_client_", "set_tcp_nodelay")
KEPT = ("persistence",)
PLACES = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence_location {home}/
log_dest file {home}/mosquitto.log
"""


def shipped_configuration() -> str:
    """A template with `{port}` and `{home}`."""
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.startswith(KEPT_PREFIXES) or line.split(" ")[0] in KEPT]
    return PLACES + "\n".join(kept) + "\n"
