"""An authority of a test's own, and the certificates it signs: for servers on loopback and for clients."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = [x509.DNSName("localhost")]
_numbers = itertools.count(1)


class Issued(NamedTuple):
    """PEM files that any account can read."""

    certificate: Path
    key: Path


class Authority:
    """`ca` is the file to trust; `issue` makes certificates for `localhost` (not for 127.0.0.1)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = next(_numbers)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test authority {self._number}")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = _builder(self._name, self._name, self._key).add_extension(constraints, critical=True)
        self.ca = self._write("ca.pem", certificate.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def issue(self, name: str) -> Issued:
        """A certificate called `name`, for localhost, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, self._name, key).add_extension(x509.SubjectAlternativeName(HOSTS), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)
        secret = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Issued(self._write(f"{name}.pem", certificate), self._write(f"{name}-key.pem", secret))

    def _write(self, name: str, content: bytes) -> Path:
        path = self._directory / f"{self._number}-{name}"
        path.write_bytes(content)
        path.chmod(0o644)
        return path


_PEM = serialization.Encoding.PEM


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


@pytest.fixture(scope="session")
def authorities(stack_directory: Path) -> tuple[Authority, Authority]:
    """The right one and a wrong one."""
    return Authority(stack_directory), Authority(stack_directory)
