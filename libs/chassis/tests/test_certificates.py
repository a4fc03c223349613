"""A certificate that a setting names is told of with the moment at which it runs out."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from parking_chassis.tls import client_context, server_files
from stack.authority import Authority


def expires(setting: str) -> float | None:
    return REGISTRY.get_sample_value("parkstream_certificate_expires_timestamp_seconds", {"setting": setting})


def test_every_file_of_a_setting_is_told_of(authorities: tuple[Authority, Authority]) -> None:
    authority, _ = authorities
    issued = authority.issue("expiring")
    client_context("PARKSTREAM_TEST_TLS", authority.ca, issued.certificate, issued.key)
    server_files("PARKSTREAM_SERVED_TLS", issued.certificate, issued.key)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    for setting in ("PARKSTREAM_TEST_TLS_CA", "PARKSTREAM_TEST_TLS_CERTIFICATE", "PARKSTREAM_SERVED_TLS_CERTIFICATE"):
        assert expires(setting) == pytest.approx(tomorrow, abs=3600)


def test_the_machines_own_authorities_are_not_told_of() -> None:
    assert isinstance(client_context("PARKSTREAM_PLAIN_TLS", None, None, None), ssl.SSLContext)
    assert expires("PARKSTREAM_PLAIN_TLS_CA") is None
