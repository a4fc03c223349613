"""Fixtures for every test of the repository: real servers, see tests/stack."""

import pytest

pytest_plugins = [
    "stack.fuzzing",
    "stack.servers",
    "stack.authority",
    "stack.nats_cluster",
    "stack.brokers",
    "stack.backups",
    "stack.warm_start",
    "stack.replicas",
    "stack.services",
    "stack.platform",
    "stack.car_park",
    "stack.gateways",
    "stack.shared_gateway",
    "stack.hooked_streets",
    "stack.chirpstack",
    "stack.signposts",
    "stack.display_street",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold a slow test, so that no worker is left alone with one at the end.

    A file is run by one worker (`--dist loadfile`): its tests share services, which would be started by each of them.
    """
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)
