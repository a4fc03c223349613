"""What `parkstream doctor` looks at: one module per dependency, each yielding findings and changing nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` says how it is; a `remedy` means that it is not well."""

    what: str
    state: str
    remedy: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing needs to be done."""
        return not self.remedy
