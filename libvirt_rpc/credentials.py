"""A user's name and password, and where they came from; none of their texts shows either."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Self

from libvirt_rpc.errors import AuthenticationFailed

__all__ = ["Credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What SASL authenticates with. Raises AuthenticationFailed for what no daemon can take.

    `realm` is for DIGEST-MD5 alone. `source` is named in errors: a file's path, a setting's name.
    """

    username: str = field(repr=False)
    password: str = field(repr=False)
    realm: str | None = field(default=None, repr=False)
    source: str = "the caller"

    def __post_init__(self) -> None:
        for what, text in (("user's name", self.username), ("password", self.password)):
            if not text:
                raise AuthenticationFailed(f"the {what} from {self.source} is empty")
            if "\0" in text or not _is_unicode(text):
                raise AuthenticationFailed(
                    f"the {what} from {self.source} holds a NUL or is no Unicode text"
                )

    @classmethod
    def from_password_file(
        cls, username: str, path: str | PathLike[str], *, realm: str | None = None
    ) -> Self:
        """Takes the password from a file's text; one newline at its end is no part of it.

        Raises AuthenticationFailed where the file cannot be read.
        """
        source = f"the password file {fspath(path)}"
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as exc:
            raise AuthenticationFailed(f"{source} cannot be read: {exc.strerror}") from exc
        except UnicodeDecodeError:
            raise AuthenticationFailed(f"{source} is not UTF-8 text") from None
        return cls(username, text.removesuffix("\n").removesuffix("\r"), realm, source)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
