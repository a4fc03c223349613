"""Fixtures for every test of the repository: real servers, see tests/stack."""

pytest_plugins = [
    "stack.servers",
    "stack.brokers",
    "stack.warm_start",
    "stack.replicas",
    "stack.services",
    "stack.platform",
    "stack.car_park",
    "stack.gateways",
    "stack.hooked_streets",
    "stack.chirpstack",
    "stack.signposts",
]
