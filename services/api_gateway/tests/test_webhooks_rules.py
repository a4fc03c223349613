"""The rules of outgoing webhooks without a server: addresses, URLs, signatures, and what follows from an answer."""

import json
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from api_gateway.webhooks.addresses import AddressRule, read_address
from api_gateway.webhooks.events import make_body, read_event
from api_gateway.webhooks.outcomes import RETRY_AFTER_LIMIT_SECONDS, Answer, error_of, judge, read_retry_after
from api_gateway.webhooks.signing import make_secret, show_secret, signed_headers
from api_gateway.webhooks.urls import read_url

NOW = datetime.now(UTC)
PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.254 127.0.0.1 127.8.8.8 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.2.3
240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 3fff::1 fc00::1 fd12:3456::1 fe80::1 fec0::1
ff02::1 4000::1
"""
PUBLIC = "8.8.8.8 93.184.216.34 2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1"


@pytest.mark.parametrize("text", PRIVATE.split())
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert not AddressRule().permits(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC.split())
def test_a_public_address_is_permitted(text: str) -> None:
    assert AddressRule().permits(ip_address(text))


def test_an_allowed_network_opens_itself_and_nothing_beside_it() -> None:
    rule = AddressRule([ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")])
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"):
        assert rule.permits(ip_address(text)), text
    for text in ("10.2.0.1", "127.0.0.1", "fd00:2::5", "::ffff:10.2.0.1"):
        assert not rule.permits(ip_address(text)), text


def test_a_zone_does_not_hide_a_link_local_address() -> None:
    address = read_address("fe80::1%eth0")
    assert address is not None
    assert not AddressRule().permits(address)
    assert read_address("example.com") is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://example.com", "https://example.com"),
        ("https://EXAMPLE.com:8443/a?b=c", "https://example.com:8443/a?b=c"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_a_url_that_can_be_called_is_kept_in_one_form(text: str, kept: str) -> None:
    assert read_url(text, AddressRule(), insecure_http=False) == kept


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://example.com", "https://"),
        ("ftp://example.com", "https://"),
        ("//example.com/x", "https://"),
        ("example.com", "https://"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https://user:secret@example.com", "password"),
        ("https://user@example.com", "password"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:22/", "port 22 is no"),
        ("https://example.com:0/", "port 0 is no"),
        ("https://example.com:99999/", "URL"),
        ("https://example.com:x/", "URL"),
        ("https://127.0.0.1/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:169.254.169.254]/", "not public"),
        ("https://exa mple.com/", "spaces"),
        ("https://example.com/\r\nHost: x", "spaces"),
        ("https://example.com/" + "a" * 2048, "2048"),
        ("https://[::1", "URL"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_url(text, AddressRule(), insecure_http=False)


def test_http_is_for_those_who_allow_it() -> None:
    assert read_url("http://example.com/", AddressRule(), insecure_http=True) == "http://example.com/"


def test_the_signature_is_one_that_standard_webhooks_verifies() -> None:
    current, previous = make_secret(), make_secret()
    now = datetime.now(UTC)
    body = make_body("space.state_changed", now.isoformat(), '{"code":"Ä1"}'.encode())
    headers = signed_headers("event-1", now, body, [current, previous])
    for secret in (current, previous):
        told = Webhook(show_secret(secret)).verify(body, headers)
        assert told == {"type": "space.state_changed", "timestamp": now.isoformat(), "data": {"code": "Ä1"}}
    for changed in ({"webhook-id": "event-2"}, {"webhook-timestamp": str(int(now.timestamp()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(current).verify(body, headers | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(current).verify(body + b" ", headers)


def test_secrets_are_long_and_random() -> None:
    assert len({make_secret() for _ in range(100)}) == 100
    assert show_secret(make_secret()).startswith("whsec_")
    assert len(make_secret()) == 32


def answered(status: int | None, retry_after: float = 0.0, *, interrupted: bool = False) -> Answer:
    return Answer(NOW, 0.1, status, None, retry_after, interrupted)


def test_retries_are_spread_over_the_schedule_and_then_end() -> None:
    schedule = (5.0, 60.0, 300.0)
    assert [judge(answered(500), tries, schedule, 1.0).retry_in_seconds for tries in (1, 2, 3)] == [5, 60, 300]
    assert judge(answered(None), 2, schedule, 0.25).retry_in_seconds == 15
    assert judge(answered(500), 4, schedule, 0.5).state == "failed"
    assert judge(answered(500), 1, (), 0.5).state == "failed"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered(status: int) -> None:
    assert judge(answered(status), 1, (5.0,), 0.5).state == "delivered"


@pytest.mark.parametrize("status", [None, 199, 301, 302, 307, 400, 404, 429, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    assert judge(answered(status), 1, (5.0,), 0.5).state == "pending"


def test_gone_is_final_and_an_interruption_costs_no_try() -> None:
    assert judge(answered(410), 1, (5.0,), 0.5).state == "failed"
    assert judge(answered(None, interrupted=True), 9, (5.0,), 0.5).state == "pending"
    assert "redirects are not followed" in (error_of(302) or "")


def test_retry_after_lengthens_the_pause_within_bounds() -> None:
    assert judge(answered(503, 30.0), 1, (5.0,), 1.0).retry_in_seconds == 30
    assert judge(answered(503, 1.0), 1, (5.0,), 1.0).retry_in_seconds == 5
    assert judge(answered(503, 1e9), 1, (5.0,), 1.0).retry_in_seconds == RETRY_AFTER_LIMIT_SECONDS


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1" * 40, 0.0),
        ("²", 0.0),
        ("Mon, 04 May 2026 10:01:00 GMT", 60.0),
        ("Mon, 04 May 2026 09:00:00 GMT", 0.0),
        ("Mon, 99 May 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float) -> None:
    assert read_retry_after(value, datetime(2026, 5, 4, 10, tzinfo=UTC)) == seconds


def test_an_event_keeps_its_id_its_time_and_its_payload() -> None:
    payload = {
        "tenant_id": "0199d6f0-2a31-7c51-9d0e-5b8c1f6a7e01",
        "space_id": "0199d6f0-2a31-7c51-9d0e-5b8c1f6a7e02",
        "site_id": "0199d6f0-2a31-7c51-9d0e-5b8c1f6a7e03",
        "version": 8,
        "state": "occupied",
    }
    headers = {"ce-type": "parkstream.space.state_changed.v1", "ce-id": "abc", "ce-time": "2026-05-04T10:00:00+00:00"}
    event = read_event(0, 7, headers, json.dumps(payload).encode(), NOW)
    assert (event.event_id, event.event_type, event.stream, event.sequence) == (
        *("abc", "space.state_changed", "SPACES", 7),
    )
    assert json.loads(event.body) == {"type": "space.state_changed", "timestamp": headers["ce-time"], "data": payload}
    del headers["ce-id"], headers["ce-time"]
    anonymous = read_event(0, 7, headers, json.dumps(payload).encode(), NOW)
    assert anonymous.event_id == "SPACES.7"
    assert json.loads(anonymous.body)["timestamp"] == NOW.isoformat()
