"""Users and passwords: an Authorization header goes in, whether it may read comes out.

A name that nobody has costs what a known one costs. Bcrypt runs in one thread of its own and only a few
checks wait for it, so that a flood of guesses takes nothing from scrapes; what was checked before is
remembered, by a keyed hash. Names and passwords are kept nowhere and logged never.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import Protocol

from exporter.config.problems import ConfigError

__all__ = ["REMEMBERED", "WAITING_CHECKS", "Authenticator", "Bcrypt", "Verdict", "load_bcrypt"]

REMEMBERED = 100
"""Accepted credentials that are remembered, and as many refused ones."""

WAITING_CHECKS = 16
"""Checks that wait or run; a hash of the usual cost takes 50 to 100 ms."""

_LONGEST_PASSWORD = 72  # bcrypt looks at no more; its library refuses what Go's cuts off
_KEY_BYTES = 32
_DECOY_DIGEST = "." * 22 + "O" * 31
_COST_END = len("$2y$10$")

CheckPassword = Callable[[bytes, bytes], bool]


class Bcrypt(Protocol):
    """The library, as far as it is used."""

    def checkpw(self, password: bytes, hashed_password: bytes) -> bool: ...


def load_bcrypt() -> Bcrypt:
    """Raises ConfigError where the library, which is an extra, is not installed."""
    try:
        import bcrypt  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise ConfigError(
            "basic_auth_users",
            "needs the bcrypt library: install libvirt-exporter[auth], or the package python3-bcrypt",
        ) from exc
    return bcrypt


class Verdict(Enum):
    ACCEPTED = auto()
    REFUSED = auto()
    BUSY = auto()
    """Too many checks wait: nothing was checked."""


class Authenticator:
    """The users of one configuration. `check_password` is bcrypt's `checkpw`."""

    def __init__(self, users: Mapping[str, str], check_password: CheckPassword) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._decoys = [
            hashed[:_COST_END] + _DECOY_DIGEST.encode() for hashed in self._hashes.values()
        ]
        self._check_password = check_password
        self._key = os.urandom(_KEY_BYTES)
        # Apart from each other, so that no flood of guesses drives out what was accepted.
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        # A thread comes with the first check; one, because more would take the scrapes' processors.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bcrypt")

    async def check(self, authorization: bytes) -> Verdict:
        """Checks the value of an Authorization header."""
        credentials = _read_basic(authorization)
        if credentials is None:
            return Verdict.REFUSED
        user, password = credentials
        hashed = self._hashes.get(user)
        is_known = hashed is not None
        if hashed is None:
            hashed = self._decoy(user)
        key = self._digest(user, hashed, password)
        if key in self._accepted:
            self._accepted.move_to_end(key)
            return Verdict.ACCEPTED
        if key in self._refused:
            self._refused.move_to_end(key)
            return Verdict.REFUSED
        running = self._running.get(key)
        if running is None:
            if len(self._running) >= WAITING_CHECKS:
                return Verdict.BUSY
            running = self._start(key, password, hashed, is_known=is_known)
        # Many requests with the same credentials wait for one check; one that goes away ends it for none.
        is_accepted = await asyncio.shield(running)
        return Verdict.ACCEPTED if is_accepted else Verdict.REFUSED

    def close(self) -> None:
        """Takes no more checks; those that wait are still answered."""
        self._executor.shutdown(wait=False)

    def _start(
        self, key: bytes, password: bytes, hashed: bytes, *, is_known: bool
    ) -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._executor, self._matches, password, hashed, is_known)

        def remember(done: asyncio.Future[bool]) -> None:
            del self._running[key]
            if done.cancelled() or done.exception() is not None:
                return
            remembered = self._accepted if done.result() else self._refused
            remembered[key] = None
            if len(remembered) > REMEMBERED:
                remembered.popitem(last=False)

        running.add_done_callback(remember)
        self._running[key] = running
        return running

    def _matches(self, password: bytes, hashed: bytes, is_known: bool) -> bool:  # noqa: FBT001
        try:
            matches = self._check_password(password[:_LONGEST_PASSWORD], hashed)
        except ValueError:  # the library does not take this password: a zero byte, perhaps
            return False
        return matches and is_known

    def _decoy(self, user: bytes) -> bytes:
        """A hash that no password has, of a cost that the name always gets again."""
        number = int.from_bytes(self._digest(user), "big")
        return self._decoys[number % len(self._decoys)]

    def _digest(self, *parts: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=_KEY_BYTES)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()


def _read_basic(authorization: bytes) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
