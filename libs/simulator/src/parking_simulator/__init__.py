"""A fictional city and recorded stays, told as ChirpStack would tell them.

What happens (`city`, `recording`) is pure and seeded; how it is said (`chirpstack_events`, `sensors`) is pure too;
only `publisher` (MQTT) and `fleet` (commands over NATS) talk to the outside.
"""
