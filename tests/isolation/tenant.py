"""A tenant whose every word, address and id can be recognised wherever it turns up."""

import hashlib
import secrets
from dataclasses import dataclass, field
from uuid import UUID, uuid4, uuid5

# The API keys of both tenants share it: what is tested is who they are, not whether they can be guessed.
SECRET = "s" * 43
SECRET_SHA256 = hashlib.sha256(SECRET.encode()).digest()


@dataclass(frozen=True)
class Tenant:
    """Ids are derived from the tenant's own, so that every table names the same space, device or user."""

    initial: str
    id: UUID = field(default_factory=uuid4)
    tag: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def word(self) -> str:
        """In every text of its rows, and nowhere else."""
        return f"{self.initial}word{self.tag}"

    def own(self, noun: str) -> UUID:
        """The id of its one `space`, `site`, `reservation` ..."""
        return uuid5(self.id, noun)

    def eui(self, noun: str) -> str:
        """The DevEUI of its one `sensor`, `display` ..."""
        return hashlib.sha256(f"{self.id} {noun}".encode()).hexdigest()[:16]

    @property
    def source(self) -> str:
        """The integration that its application belongs to."""
        return f"source-{self.word}"

    @property
    def application(self) -> str:
        return f"application-{self.word}"

    @property
    def email(self) -> str:
        return f"{self.word}@example.org"

    def key_id(self, purpose: str = "own") -> str:
        """The id of the API key for a purpose."""
        return hashlib.sha256(f"{self.id} key {purpose}".encode()).hexdigest()[:16]

    def key(self, purpose: str = "own") -> str:
        """The API key itself, `pk_<id>_<secret>`."""
        return f"pk_{self.key_id(purpose)}_{SECRET}"
