"""Secrets from files, as Docker and Kubernetes hand them over: `PARKSTREAM_<SETTING>_FILE` names the file.

In: the environment. Out: the values of secret settings, or an error that names the variable and the file and never what
is in it. A setting is secret when it is a `SecretStr` or when its `Field` says `repr=False` (URLs with a password).
Read once, when the settings are made: a new secret needs a restart.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

LONGEST_BYTES = 65_536


class SecretFileError(ValueError):
    """A file that should hold a secret does not; the message says which, why and what to do."""


class EnvironmentSettings(BaseSettings):
    """Settings from PARKSTREAM_* variables, and the secrets among them from files too."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic hands it over
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code goes first, then files, then the environment."""
        return init_settings, SecretFiles(settings_cls), env_settings


class SecretFiles(PydanticBaseSettingsSource):
    """The secret settings whose file is named in the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text of the named file, or None where no file is named."""
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        # A setting of its own by that name (a token that may be exchanged while we run) is not ours to read.
        own = f"{field_name}_file" in self.settings_cls.model_fields
        named = "" if own or not is_secret(field) else os.environ.get(f"{variable}_FILE", "")
        if not named:
            return None, field_name, False
        if os.environ.get(variable):
            raise SecretFileError(f"{variable} and {variable}_FILE are both set: take one of them away")
        return read_secret(Path(named), f"{variable}_FILE"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every secret that comes from a file."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: text for name, text in found.items() if text is not None}


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting may come from a file, and must never be shown."""
    return not field.repr or SecretStr in (field.annotation, *get_args(field.annotation))


def read_secret(path: Path, variable: str) -> str:
    """The text of a secret's file without the white space around it.

    Raises:
        SecretFileError: There is no such file, it cannot be read, is empty, too long or no text.
    """
    named = f"{variable}={path}"
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
    except FileNotFoundError:
        raise SecretFileError(f"{named}: there is no such file; mount the secret there, or correct the path") from None
    except OSError as error:
        raise SecretFileError(
            f"{named}: it cannot be read ({error.strerror}); let the user {os.geteuid()} of this process read the file"
        ) from None
    if len(content) > LONGEST_BYTES:
        raise SecretFileError(f"{named}: it is longer than {LONGEST_BYTES} bytes, so it is no secret")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise SecretFileError(f"{named}: it is no UTF-8 text") from None
    if not text:
        raise SecretFileError(f"{named}: it is empty; write the secret into it")
    return text
