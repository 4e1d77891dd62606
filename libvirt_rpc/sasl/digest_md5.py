"""DIGEST-MD5 (RFC 2831), with its security layer on plain TCP. Legacy: RFC 6331 says why not to use it.

MD5 and RC4 are broken; whoever records a session can try passwords on it. It is here because it is all
that a daemon offers on plain TCP beside GSSAPI. Use TLS with SCRAM.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed, DecodeError
from libvirt_rpc.sasl.mechanism import (
    SERVICE,
    WRAPPED_SIZE_MAX,
    Channel,
    SecurityLayer,
    advice_on_password,
    senseless,
    unproven,
)
from libvirt_rpc.sasl.packets import Packets
from libvirt_rpc.sasl.rc4 import RC4

NAME = "DIGEST-MD5"

# Bytes of the session's key that the cipher takes. The block ciphers (3des, des) are not done: a
# daemon on OpenSSL 3 refuses them without its legacy provider.
CIPHERS = {"rc4": 16, "rc4-56": 7}

_MAC_SIZE = 10
_TRAILER_SIZE = _MAC_SIZE + 2 + 4  # the message type and the sequence number follow the MAC
_MESSAGE_TYPE = b"\0\1"
_NO_BODY = ":" + "0" * 32
_SIZES = range(_TRAILER_SIZE + 1, 1 << 24)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the daemon offers, as far as it decides anything."""

    nonce: str
    realms: tuple[str, ...]
    qops: frozenset[str]
    ciphers: frozenset[str]
    maxbuf: int
    utf8: bool

    @classmethod
    def parse(cls, challenge: bytes) -> Self:
        """Raises AuthenticationFailed."""
        fields: dict[str, list[str]] = {}
        for name, value in _fields(challenge.decode("latin-1")):
            fields.setdefault(name.lower(), []).append(value)
        for name in _ONCE:
            if len(fields.get(name, [])) > 1:
                raise senseless(NAME, f"it has more than one {name}")
        if "nonce" not in fields or fields.get("algorithm") != ["md5-sess"]:
            raise senseless(NAME, "it has no nonce or another algorithm than md5-sess")
        (maxbuf,) = fields.get("maxbuf", [str(WRAPPED_SIZE_MAX)])
        if not re.fullmatch("[0-9]{1,9}", maxbuf, re.ASCII) or int(maxbuf) not in _SIZES:
            raise senseless(NAME, "its maxbuf is out of range")
        utf8 = fields.get("charset", [""])[0].lower() == "utf-8"
        charset = "utf-8" if utf8 else "latin-1"
        try:
            realms = [realm.encode("latin-1").decode(charset) for realm in fields.get("realm", [])]
        except UnicodeDecodeError:
            raise senseless(NAME, "its realm is not UTF-8") from None
        return cls(
            nonce=fields["nonce"][0],
            realms=tuple(realms),
            qops=_tokens(fields.get("qop", ["auth"])),
            ciphers=_tokens(fields.get("cipher", [])),
            maxbuf=int(maxbuf),
            utf8=utf8,
        )


_ONCE = ("nonce", "algorithm", "maxbuf", "charset", "qop", "cipher")

_FIELD = re.compile(
    r"""
    [\s,]* (?P<name> [!#$%&'*+\-.^_`|~0-9A-Za-z]+ ) \s* = \s*
    (?: "(?P<quoted> (?: [^"\\] | \\. )* )" | (?P<token> [^\s,"]+ ) ) \s* (?: , | $ )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


def _fields(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while text[position:].strip(" \t\r\n,"):
        match = _FIELD.match(text, position)
        if match is None:
            raise senseless(NAME, "it is no list of name=value")
        quoted = match["quoted"]
        value = (
            match["token"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        )
        yield match["name"], value
        position = match.end()


def _tokens(values: list[str]) -> frozenset[str]:
    return frozenset(token.strip().lower() for value in values for token in value.split(","))


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


class DigestMD5:
    """qop=auth on a secure channel, qop=auth-conf on others."""

    name = NAME

    def __init__(
        self, credentials: Credentials, channel: Channel, *, cnonce: str | None = None
    ) -> None:
        self._credentials = credentials
        self._channel = channel
        self._cnonce = cnonce or secrets.token_hex(16)
        self._expected: bytes | None = None
        self.advice = advice_on_password(credentials)
        self.done = False
        self.layer: SecurityLayer | None = None

    def first(self) -> bytes | None:
        return None  # the daemon speaks first

    def step(self, challenge: bytes) -> bytes:
        if self._expected is None:
            return self._answer(Challenge.parse(challenge))
        if not hmac.compare_digest(challenge, b"rspauth=" + self._expected):
            raise unproven(NAME)
        self.done = True
        return b""

    def _answer(self, challenge: Challenge) -> bytes:
        qop = "auth" if self._channel.secure else "auth-conf"
        if qop not in challenge.qops:
            raise AuthenticationFailed(f"the daemon's {NAME} does not offer qop={qop}")
        cipher = next((one for one in CIPHERS if one in challenge.ciphers), None)
        if qop == "auth-conf" and cipher is None:
            raise AuthenticationFailed(
                f"the daemon's {NAME} offers no cipher that this client has ({', '.join(CIPHERS)})"
            )
        charset = "utf-8" if challenge.utf8 else "latin-1"
        username, password = self._credentials.username, self._credentials.password
        realm = self._credentials.realm
        if realm is None:
            realm = next(iter(challenge.realms), "")
        uri = f"{SERVICE}/{self._channel.host}"
        fields = [
            f"username={_quoted(username)}",
            f"realm={_quoted(realm)}",
            f"nonce={_quoted(challenge.nonce)}",
            f"cnonce={_quoted(self._cnonce)}",
            "nc=00000001",
            f"qop={qop}",
            f"digest-uri={_quoted(uri)}",
        ]
        try:
            secret = _secret((username, realm, password), charset)
            nonces = f":{challenge.nonce}:{self._cnonce}".encode("latin-1")
            session_key = _md5(secret + nonces)
            digest = Digest(session_key, challenge.nonce, self._cnonce, qop, uri)
            fields.append(f"response={digest.of('AUTHENTICATE')}")
            if challenge.utf8:
                fields.append("charset=utf-8")
            if qop == "auth-conf" and cipher is not None:
                fields += [f"cipher={cipher}", f"maxbuf={WRAPPED_SIZE_MAX}"]
                self.layer = auth_conf_layer(session_key, CIPHERS[cipher], challenge.maxbuf)
            response = ",".join(fields).encode(charset)
        except UnicodeEncodeError:
            raise AuthenticationFailed(
                f"the daemon's {NAME} takes {charset} alone, which cannot carry the credentials"
            ) from None
        self._expected = digest.of("").encode()
        return response


@dataclass(frozen=True, slots=True, repr=False)
class Digest:
    """The proof of one side that it knows the password (RFC 2831, 2.1.2.1 and 2.1.3)."""

    session_key: bytes
    nonce: str
    cnonce: str
    qop: str
    uri: str

    def of(self, method: str) -> str:
        """Of the client where `method` is AUTHENTICATE, of the daemon where it is empty."""
        tail = "" if self.qop == "auth" else _NO_BODY
        what = _md5(f"{method}:{self.uri}{tail}".encode()).hex()
        parts = (self.session_key.hex(), self.nonce, "00000001", self.cnonce, self.qop, what)
        return _md5(":".join(parts).encode("latin-1")).hex()


def _md5(data: bytes) -> bytes:
    # With the flag it is there too where MD5 is forbidden for everything new.
    return hashlib.md5(data, usedforsecurity=False).digest()


def _secret(parts: Iterable[str], charset: str) -> bytes:
    """Name, realm and password; each in Latin-1 where it can be, even where the rest is UTF-8."""
    return _md5(b":".join(_latin_1_or(charset, part) for part in parts))


def _latin_1_or(charset: str, text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(charset)


def auth_conf_layer(session_key: bytes, key_size: int, maxbuf: int) -> Packets:
    """The client's end of the layer: what it wraps, the daemon unwraps (RFC 2831, 2.4)."""
    way_out = _Direction(session_key, key_size, "client-to-server")
    way_in = _Direction(session_key, key_size, "server-to-client")
    return Packets(
        way_out.wrap,
        way_in.unwrap,
        chunk_size=maxbuf - _TRAILER_SIZE,
        wrapped_max=WRAPPED_SIZE_MAX,
    )


class _Direction:
    """One direction: its keys, its cipher's state and the number of the next packet."""

    def __init__(self, session_key: bytes, key_size: int, name: str) -> None:
        sealing = f"Digest H(A1) to {name} sealing key magic constant".encode()
        signing = f"Digest session key to {name} signing key magic constant".encode()
        self._cipher = RC4(_md5(session_key[:key_size] + sealing))
        self._signing_key = _md5(session_key + signing)
        self._number = 0

    def wrap(self, data: bytes) -> bytes:
        number = self._next_number()
        sealed = self._cipher.process(data + self._mac(number, data))
        return sealed + _MESSAGE_TYPE + number

    def unwrap(self, wrapped: bytes) -> bytes:
        number = self._next_number()
        if len(wrapped) < _TRAILER_SIZE or wrapped[-6:] != _MESSAGE_TYPE + number:
            raise DecodeError(f"a wrapped packet of {NAME} has no trailer, or not the next number")
        opened = self._cipher.process(wrapped[:-6])
        data, mac = opened[:-_MAC_SIZE], opened[-_MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(number, data)):
            raise DecodeError(f"a wrapped packet of {NAME} was changed on its way")
        return data

    def _next_number(self) -> bytes:
        number = self._number.to_bytes(4, "big")
        self._number = (self._number + 1) & 0xFFFFFFFF
        return number

    def _mac(self, number: bytes, data: bytes) -> bytes:
        return hmac.digest(self._signing_key, number + data, "md5")[:_MAC_SIZE]
