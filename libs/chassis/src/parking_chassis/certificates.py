"""When the certificates that this process has read run out, for /metrics: who forgets one, loses a connection at night.

In: the files that TLS settings name. Out: one moment per setting. Files that were exchanged count from the next start
or connection on, as they do for TLS itself.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from parking_chassis import metrics


def note_authority(setting: str, context: ssl.SSLContext) -> None:
    """Note when the first of the authorities that a context trusts runs out."""
    ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs()]
    if ends:
        metrics.CERTIFICATE_EXPIRES.labels(setting).set(min(ends))


def note_certificate(setting: str, certificate: Path) -> None:
    """Note when our own certificate, the first of its file, runs out. Raises OSError and ssl.SSLError."""
    # ssl reads the certificates of peers, but of its own only this way; a test holds it.
    told = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]  # private  # noqa: SLF001
    metrics.CERTIFICATE_EXPIRES.labels(setting).set(ssl.cert_time_to_seconds(told["notAfter"]))
