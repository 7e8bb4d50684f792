"""A token or a password that is given as a setting or lies in a file. It is in no repr and in no message."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pentameter.sources import SourceError


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is to be found."""

    what: str
    """What it is, for messages: ``bearer token``."""
    value: str | None = field(default=None, repr=False)
    file: str | None = None
    """Read at every use, because tokens rotate."""
    ascii_only: bool = True
    """What is sent as a header must be ASCII; a password that is encoded first need not be."""

    def read(self) -> str:
        """Return it, or the empty string where there is none.

        Raises ``SourceError("credentials")`` where the file cannot be read or does not hold one printable line.
        """
        if not self.file:
            return self.value or ""
        try:
            content = Path(self.file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SourceError("credentials", f"cannot read the {self.what}: {error}") from error
        except UnicodeDecodeError:
            content = "\0"  # stands for what is none; the error itself would quote the file
        if not content.isprintable() or (self.ascii_only and not content.isascii()):
            # Refused here: refused as a header it would be quoted in the error.
            kind = "printable ASCII" if self.ascii_only else "printable text"
            raise SourceError("credentials", f"the {self.what} in {self.file} is not one line of {kind}")
        return content
