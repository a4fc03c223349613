"""What the gateway reads of an event and of its proof: pure, against the published libraries."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from api_gateway.ingress.event_application import application_of, encoding_of
from api_gateway.ingress.signatures import SignatureError, check_signature
from api_gateway.ingress.tokens import make_token, parse_bearer, spell_signing_secret
from parking_simulator.chirpstack_events import MESSAGES

APPLICATION = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
NOW = datetime(2026, 7, 22, 16, 0, 0, tzinfo=UTC)
SECRET, OTHER = b"s" * 32, b"o" * 32


def signed(body: bytes, *, secret: bytes = SECRET, at: datetime = NOW) -> dict[str, str]:
    signature = Webhook(spell_signing_secret(secret)).sign("msg_1", at, body.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


@pytest.mark.parametrize("event", MESSAGES)
def test_the_application_is_found_in_every_event_of_both_marshalers(event: str) -> None:
    message = MESSAGES[event]()
    message.device_info.application_id = APPLICATION
    message.device_info.tags["bay"] = "A-17"
    message.time.FromDatetime(NOW)
    assert application_of(message.SerializeToString(), "protobuf", event) == APPLICATION
    assert application_of(message.SerializeToString(), "auto", event) == APPLICATION
    body = json.dumps({"deviceInfo": {"applicationId": APPLICATION, "devEui": "01"}, "rxInfo": []}).encode()
    assert application_of(body, "json", event) == application_of(b"  " + body, "auto", event) == APPLICATION


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"deviceInfo": null}',
        b'{"deviceInfo": {"applicationId": ""}}',
        b'{"deviceInfo": {"applicationId": 7}}',
        b'{"deviceInfo": {"applicationId": "a\\nb"}}',
        b'{"deviceInfo": {"applicationId": "%s"}}' % (b"a" * 101),
        b'{"deviceInfo": ' + b"[" * 100_000,
        b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x1a\x05\x1a\x09abc",
    ],
)
def test_a_body_that_names_no_usable_application_has_none(body: bytes) -> None:
    assert [application_of(body, encoding, "up") for encoding in ("json", "protobuf", "auto")] == [None] * 3


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(body: bytes) -> None:
    for encoding in ("json", "protobuf", "auto"):
        application_of(body, encoding, "up")


def test_the_content_type_says_how_a_body_is_written() -> None:
    assert encoding_of("application/json; charset=utf-8") == "json"
    assert encoding_of("Application/Octet-Stream") == "protobuf"
    assert encoding_of("") == encoding_of("text/plain") == "auto"


def test_a_signature_of_the_published_library_is_right_under_any_live_secret() -> None:
    body = b'{"a": "\xc3\xa9"}'
    check_signature(body, signed(body), [SECRET], NOW)
    check_signature(body, signed(body), [OTHER, SECRET], NOW)
    headers = signed(body)
    two = {**headers, "webhook-signature": f"v1a,AAAA v1,AAAA {headers['webhook-signature']}"}
    check_signature(body, two, [SECRET], NOW)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_clock_five_minutes_away_is_tolerated_and_no_more(seconds: int) -> None:
    headers = signed(b"{}", at=NOW + timedelta(seconds=seconds))
    check_signature(b"{}", headers, [SECRET], NOW)
    with pytest.raises(SignatureError, match="timestamp"):
        check_signature(b"{}", headers, [SECRET], NOW - timedelta(seconds=seconds / 300))


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "1e9"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()},
    ],
)
def test_a_changed_header_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        check_signature(b"{}", signed(b"{}") | changes, [SECRET, OTHER], NOW)


def test_a_changed_body_and_another_secret_are_refused() -> None:
    for body, secret in ((b"{} ", SECRET), (b"{}", OTHER)):
        with pytest.raises(SignatureError):
            check_signature(body, signed(b"{}"), [secret], NOW)


def test_a_token_reads_as_it_was_made() -> None:
    token, digest = make_token("0123456789ab")
    assert parse_bearer(f"Bearer {token}") == parse_bearer(f"bearer  {token} ") == ("0123456789ab", digest)
    for wrong in ("", "Bearer", token, f"Basic {token}", f"Bearer {token}!", "Bearer it_short_x", "Bearer it_é"):
        assert parse_bearer(wrong) is None
