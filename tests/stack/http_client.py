"""An HTTP client of the services that tests start."""

import ssl
from typing import Any

import httpx

# Services are asked without TLS. A client reads every authority of the machine all the same, 20 ms each time.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(**options: Any) -> httpx.AsyncClient:
    """`httpx.AsyncClient(**options)` that asks no proxy and knows no authority."""
    return httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES, **options)
