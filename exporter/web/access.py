"""Who may read, and over what: the web configuration file at work.

It is read again when it has changed, at the next request or handshake. A changed file that cannot be
used is logged once, and what was before it stays.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from exporter.config.problems import ConfigError
from exporter.web.auth import Authenticator, Bcrypt, Verdict, load_bcrypt
from exporter.web.changes import Changes
from exporter.web.rate_limit import RateLimit
from exporter.web.tls import ServerTLS
from exporter.web.web_config import WebFile, read_web_config

__all__ = ["Access"]

logger = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]


class Access:
    """The file at `path`; raises ConfigError where it, or what it names, cannot be used."""

    def __init__(
        self, path: Path | None, *, load_bcrypt: Callable[[], Bcrypt] = load_bcrypt
    ) -> None:
        self._path = path
        self._load_bcrypt = load_bcrypt
        self._changes = Changes(() if path is None else (path,))
        self._file = WebFile()
        self._tls: ServerTLS | None = None
        self._users: Authenticator | None = None
        self.rate_limit: RateLimit | None = None
        self.headers: Headers = []
        if path is not None:
            self._use(self._read(path))

    @classmethod
    def of_everyone(cls) -> Access:
        """No TLS, no users."""
        return cls(None)

    @property
    def has_tls(self) -> bool:
        return self._tls is not None

    @property
    def has_users(self) -> bool:
        return self._users is not None

    def refresh(self) -> None:
        """Reads the file again if it has changed."""
        if self._path is None or not self._changes.seen():
            return
        try:
            web = self._read(self._path)
            if web.tls_server_config.is_enabled is not self.has_tls:
                raise ConfigError(
                    "tls_server_config", "TLS cannot be switched on or off without a new start"
                )
            self._use(web)
        except ConfigError as exc:
            logger.error("the changed web configuration is not used: %s", exc)  # noqa: TRY400
        else:
            logger.info("the changed web configuration is used from now on")

    def tls_context(self) -> ssl.SSLContext | None:
        """What the next handshake is done with; None is no TLS."""
        self.refresh()
        return None if self._tls is None else self._tls.context()

    def is_allowed(self, connection: ssl.SSLObject) -> bool:
        """Whether a client that shook hands may go on."""
        return self._tls is None or self._tls.is_allowed(connection)

    async def check(self, authorization: bytes | None) -> Verdict:
        """Whether a request with this Authorization header may read."""
        if self._users is None:
            return Verdict.ACCEPTED
        if authorization is None:
            return Verdict.REFUSED
        return await self._users.check(authorization)

    def close(self) -> None:
        if self._users is not None:
            self._users.close()

    def _read(self, path: Path) -> WebFile:
        try:
            return read_web_config(path)
        except ConfigError as exc:
            raise ConfigError.of(exc.located(key="", source="")) from exc

    def _use(self, web: WebFile) -> None:
        """Everything that can fail comes before anything is replaced."""
        tls, users, rate_limit = self._tls, self._users, self.rate_limit
        try:
            if web.tls_server_config != self._file.tls_server_config or tls is None:
                is_enabled = web.tls_server_config.is_enabled
                tls = ServerTLS(web.tls_server_config) if is_enabled else None
            if web.basic_auth_users != self._file.basic_auth_users:
                users = self._authenticator(web)
        except ConfigError as exc:
            raise ConfigError.of(exc.located(key="", source=str(self._path))) from exc
        if web.rate_limit != self._file.rate_limit:
            limit = web.rate_limit
            is_limited = bool(limit.interval_seconds)
            rate_limit = RateLimit(limit.interval_seconds, limit.burst) if is_limited else None
        if users is not self._users:
            self.close()
        self._file, self._tls, self._users, self.rate_limit = web, tls, users, rate_limit
        self.headers = [
            (name.lower().encode(), value.encode())
            for name, value in web.http_server_config.headers.items()
        ]
        for warning in web.warnings:
            logger.warning(warning)

    def _authenticator(self, web: WebFile) -> Authenticator | None:
        if not web.basic_auth_users:
            return None
        return Authenticator(web.basic_auth_users, self._load_bcrypt().checkpw)
