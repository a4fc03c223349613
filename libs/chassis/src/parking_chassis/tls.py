"""TLS to what we depend on: files of certificates in, a context out, and words for what went wrong with one.

The peer's certificate is always checked, and its name: there is no setting that turns this off.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from parking_chassis.certificates import note_authority, note_certificate


class TlsFileError(ValueError):
    """A file with a certificate or a key is not usable; the message says which setting names it."""


def client_context(setting: str, ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """A context that trusts `ca` (the machine's authorities when None) and shows `certificate`, if there is one.

    `setting` is what the names of the settings begin with, such as `PARKSTREAM_NATS_TLS`. The files are read now.

    Raises:
        TlsFileError: A file is missing, cannot be read or is not what its setting says.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise TlsFileError(f"{setting}_CA={ca}: {_reason(error)}; it must be a PEM file of authorities") from None
    if ca is not None:
        note_authority(f"{setting}_CA", context)
    if certificate is not None:
        load_chain(context, setting, certificate, key)
    elif key is not None:
        raise TlsFileError(f"{setting}_KEY is set without {setting}_CERTIFICATE")
    return context


def server_files(setting: str, certificate: Path | None, key: Path | None) -> dict[str, Path]:
    """What uvicorn needs to serve https with these files; nothing when there is no certificate: plain http.

    Raises:
        TlsFileError: They cannot be served with; uvicorn's own words would name no setting.
    """
    if certificate is None:
        if key is not None:
            raise TlsFileError(f"{setting}_KEY is set without {setting}_CERTIFICATE")
        return {}
    load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), setting, certificate, key)
    return {"ssl_certfile": certificate, **({"ssl_keyfile": key} if key is not None else {})}


def load_chain(context: ssl.SSLContext, setting: str, certificate: Path, key: Path | None) -> None:
    """Give a context its own certificate and key.

    Raises:
        TlsFileError: A file is missing, cannot be read, or the two do not belong together.
    """
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        note_certificate(f"{setting}_CERTIFICATE", certificate)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise TlsFileError(
            f"{setting}_CERTIFICATE={certificate}, {setting}_KEY={key}: {_reason(error)}; they must be PEM files "
            "of a certificate chain and of its key, without a pass phrase"
        ) from None


def remedy_of(error: BaseException | None, setting: str) -> str | None:
    """What to do about a failed TLS connection; None when the failure is of another kind."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"the server's certificate is not accepted ({error.verify_message}): set {setting}_CA to the PEM file "
                "of the authority that signed it, and use the host name that stands in the certificate"
            )
        if isinstance(error, ssl.SSLError):
            return (
                f"TLS failed ({error.reason or error}): does the server speak TLS on this port, and does it want "
                f"a certificate of ours ({setting}_CERTIFICATE, {setting}_KEY)?"
            )
        error = error.__cause__ or error.__context__
    return None


def _no_password() -> str:
    """Rather than ask a terminal for the pass phrase of a key."""
    raise ValueError("the key is protected by a pass phrase")


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    return reason or getattr(error, "reason", None) or str(error)
