"""What `up` says once it is ready: where everything is, and what to type next. Pure.

In: connections, paths, how we were called. Out: lines by title; passwords stay out, the API key and the owner's
password show when they are new.
"""

import shlex
from pathlib import Path

from parkstream.settings import Connections


def summarise(
    connections: Connections,
    *,
    key_file: Path | None,
    key_is_new: bool,
    log_in: str,
    chirpstack: str,
    data_dir: Path,
    command: str,
    demo: bool,
) -> tuple[dict[str, str], dict[str, str]]:
    """Facts, and next steps to copy; `key_file` is None when the key came from the environment."""
    if key_file is None:
        key, typed_key = "as given in PARKSTREAM_BOOTSTRAP_API_KEY", "$PARKSTREAM_BOOTSTRAP_API_KEY"
    else:
        kept = f"kept in {key_file}"
        key = f"{connections.api_key}  (shown this once; {kept})" if key_is_new else f"as shown at first; {kept}"
        typed_key = f"$(cat {shlex.quote(str(key_file))})"
    facts = {
        "API": f"{connections.api_url}/api/v6  (described at {connections.api_url}/docs)",
        "API key": key,
        "log-in": log_in,
        "MQTT": without_password(connections.mqtt_url),
        "ChirpStack": chirpstack,
        "data and logs": str(data_dir),
    }
    next_steps = {} if demo else {"a fictional city": f"{command} simulate --demo"}
    next_steps |= {
        "spaces, live": f"{command} watch",
        "spaces, by HTTP": f'curl -H "X-API-Key: {typed_key}" {connections.api_url}/api/v6/spaces',
        "events, by HTTP": f'curl -N -H "X-API-Key: {typed_key}" {connections.api_url}/api/v6/events',
        "is it all well?": f"{command} doctor",
    }
    return facts, next_steps


def log_in(email: str, new_password: str | None, password_file: Path | None) -> str:
    """How the first user logs in; `password_file` is None when the password came from the environment."""
    if password_file is None:
        return f"{email}, with the password of PARKSTREAM_BOOTSTRAP_OWNER_PASSWORD"
    if new_password is None:
        return f"{email}, with the password shown at first; kept in {password_file}"
    return f"{email}  {new_password}  (shown this once; kept in {password_file})"


def chirpstack(url: str, token_file: Path | None) -> str:
    """Where downlinks go; `token_file` is that of the double, None when there is a real ChirpStack."""
    if token_file is None:
        return url
    return f"{url}  (a double with the demo city's displays; token kept in {token_file})"


def command(called: str, data_dir: Path | None) -> str:
    """What to type for another command: the program as it was called, and the data directory if one was named."""
    program = shlex.quote(called) if Path(called).name == "parkstream" else "parkstream"
    return f"PARKSTREAM_DATA_DIR={shlex.quote(str(data_dir.resolve()))} {program}" if data_dir else program


def without_password(url: str) -> str:
    """The URL as it may be shown: user and password left out."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
