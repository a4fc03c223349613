"""What the command line makes of PARKSTREAM_* variables before it starts anything."""

import pytest

from parkstream.errors import OperatorError
from parkstream.settings import read_settings


@pytest.mark.parametrize("key", ["bad", "pk_short_" + "x" * 43, "pk_watching1_tooshort", "PK_WATCHING1_" + "x" * 43])
def test_a_first_api_key_that_is_none_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("PARKSTREAM_BOOTSTRAP_API_KEY", key)
    with pytest.raises(OperatorError, match="PARKSTREAM_BOOTSTRAP_API_KEY is no API key") as refused:
        read_settings()
    assert key not in str(refused.value)


@pytest.mark.parametrize("key", ["", "pk_watching1_" + "x" * 43])
def test_an_empty_or_a_proper_api_key_is_taken(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("PARKSTREAM_BOOTSTRAP_API_KEY", key)
    given = read_settings().bootstrap_api_key
    assert given is not None
    assert given.get_secret_value() == key


def test_a_chirpstack_without_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARKSTREAM_CHIRPSTACK_URL", "https://chirpstack.example.com")
    with pytest.raises(OperatorError, match="without a token"):
        read_settings()
    monkeypatch.setenv("PARKSTREAM_CHIRPSTACK_TOKEN_FILE", "/run/secrets/token")
    assert read_settings().chirpstack_url == "https://chirpstack.example.com"
