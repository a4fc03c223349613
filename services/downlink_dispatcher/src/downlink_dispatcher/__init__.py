"""Displays driven through the network server.

In: what happens at spaces (SPACES), what devices and the network server tell (DEVICES), commands of clients. Out:
downlinks, at ChirpStack; what became of each; facts about devices and LoRaWAN gateways. Owned: the schema `downlink`.
"""

SERVICE = "downlink_dispatcher"
SCHEMA = "downlink"
