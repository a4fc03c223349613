"""The API token: from a file, which may be rotated while we run, or from the settings.

Out: the token to send now, or the reason why there is none. The file is looked at for every call (one `stat`) and read
when it changed, so that a rotation needs no restart.
"""

from __future__ import annotations

from pathlib import Path

FILE_SETTING = "PARKSTREAM_CHIRPSTACK_TOKEN_FILE"
TOKEN_SETTING = "PARKSTREAM_CHIRPSTACK_TOKEN"  # noqa: S105  the name of one
LONGEST_CHARACTERS = 8_192

Stamp = tuple[int, int, int]


class TokenError(Exception):
    """There is no token to send; the message says what to do."""


class Token:
    """The token of one network server."""

    def __init__(self, fixed: str, file: Path | None) -> None:
        self._file = file
        self._text = fixed.strip()
        self._read_at: Stamp | None = None

    @property
    def remedy(self) -> str:
        """What to do when it is refused."""
        if self._file is not None:
            return f"put an API key of ChirpStack into {self._file} ({FILE_SETTING}); no restart is needed"
        return f"set {TOKEN_SETTING} to an API key of ChirpStack and restart, or name a file by {FILE_SETTING}"

    def read(self) -> str:
        """The token to send now; reads the file when it changed.

        Raises:
            TokenError: The file cannot be read, or holds no token.
        """
        self.reread_if_changed()
        if not self._text:
            raise TokenError(f"there is no API token of ChirpStack: {self.remedy}")
        if len(self._text) > LONGEST_CHARACTERS or not self._text.isascii() or not self._text.isprintable():
            raise TokenError(f"that is no API token of ChirpStack: {self.remedy}")
        return self._text

    def reread_if_changed(self) -> bool:
        """Read the file again if it is another one than last time; whether the token is another one now.

        Raises:
            TokenError: The file cannot be read.
        """
        if self._file is None:
            return False
        before = self._text
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._read_at:
                self._text = self._file.read_text(encoding="utf-8").strip()
                self._read_at = stamp
        except (OSError, UnicodeDecodeError) as error:
            self._read_at = None
            reason = getattr(error, "strerror", None) or "it is no text"
            raise TokenError(f"cannot read {self._file} ({FILE_SETTING}): {reason}") from None
        return self._text != before

    def expire(self) -> None:
        """Read the file for the next call, whatever it looks like from outside."""
        self._read_at = None
