"""Which URLs a webhook may have. Pure; what the host resolves to is judged when it is connected to.

https, unless the operator allows http; a host, no user or password, no fragment; port 80, 443 or one from 1024 on, so
that no mail or remote shell server is talked to. A host that is an address is judged here already.
"""

from __future__ import annotations

import httpx

from api_gateway.webhooks.addresses import AddressRule, read_address

URL_LENGTH = 2048
WEB_PORTS = frozenset({80, 443})
FREE_PORTS = range(1024, 65_536)


def read_url(text: str, rule: AddressRule, *, insecure_http: bool) -> str:
    """The URL as it is kept: ASCII, its host in lower case (IDNA).

    Raises:
        ValueError: It cannot be called, and why.
    """
    if len(text) > URL_LENGTH or not text.isprintable() or " " in text:
        raise ValueError(f"expected an absolute URL of at most {URL_LENGTH} characters without spaces")
    try:
        url = httpx.URL(text)
        port = url.port
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"this is no URL: {str(error)[:100]}") from error
    schemes = ("https", "http") if insecure_http else ("https",)
    if url.scheme not in schemes:
        raise ValueError(f"the URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not url.host:
        raise ValueError("the URL names no host")
    if url.userinfo:
        raise ValueError("the URL carries a user or a password: use the signature to tell who calls")
    if url.fragment:
        raise ValueError("the URL has a fragment (#...), which is never sent")
    if port is not None and port not in WEB_PORTS and port not in FREE_PORTS:
        raise ValueError(f"the URL's port {port} is no web server's: use 80, 443 or one from 1024 on")
    address = read_address(url.host)
    if address is not None and not rule.permits(address):
        raise ValueError("the URL's address is not public")
    kept = str(url)
    if len(kept) > URL_LENGTH:
        raise ValueError(f"the URL is longer than {URL_LENGTH} characters once it is encoded")
    return kept
