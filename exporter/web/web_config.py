"""The web configuration file, in the format of Prometheus' exporter toolkit: TLS, users, headers.

A file goes in, a checked `WebFile` or a ConfigError with every mistake comes out. What of the format
cannot be had here is refused, or is a warning where leaving it out weakens nothing; certificates are
not opened here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from exporter.config.file import ConfigFile, read_config_file
from exporter.config.kinds import BOOLEAN, FILE, Kind, choice, integer
from exporter.config.problems import SHOWN_INTEGER, ConfigError, Hidden, Problem, refuse, show
from exporter.config.sections import Doc
from exporter.config.structure import structure_file

__all__ = [
    "CIPHER_SUITES",
    "CLIENT_AUTH_TYPES",
    "CURVES",
    "HEADERS",
    "HTTPServerConfig",
    "RateLimitConfig",
    "TLSServerConfig",
    "WebFile",
    "read_web_config",
]

CIPHER_SUITES = {
    "TLS_AES_128_GCM_SHA256": None,
    "TLS_AES_256_GCM_SHA384": None,
    "TLS_CHACHA20_POLY1305_SHA256": None,
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
"""OpenSSL's names by Go's, which the file has; None for those of TLS 1.3, which nobody can choose."""

CURVES = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
"""OpenSSL's names by Go's."""

CLIENT_AUTH_TYPES = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")

_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")

HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that the file may set, each with the values it may have; none is any."""

_TEXT_IN_PEM = "text in PEM (-----BEGIN ...)"


def _check_pem(value: object) -> str:
    if not isinstance(value, str) or not value.isascii():
        raise refuse(_TEXT_IN_PEM, Hidden(value))
    return value


_PEM: Kind[str] = Kind("PEM", _check_pem, str)


def _check_client_auth(value: object) -> str:
    if value in _UNVERIFIED:
        raise ConfigError(
            "",
            f"{value} asks for a certificate and verifies nothing; use RequireAndVerifyClientCert, "
            "or VerifyClientCertIfGiven where some clients have none",
        )
    if value != "" and value not in CLIENT_AUTH_TYPES:
        raise refuse(f"one of {', '.join(CLIENT_AUTH_TYPES)}", value)
    assert isinstance(value, str)
    return value


_CLIENT_AUTH: Kind[str] = Kind("TYPE", _check_client_auth, str)


def _list_of(what: str, check: Callable[[object], str]) -> Kind[tuple[str, ...]]:
    def check_list(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise refuse(f"a list of {what}", value)
        return tuple(check(item) for item in value)

    return Kind("LIST", check_list, ",".join)


def _check_name_in(table: dict[str, Any], what: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in table:
            raise refuse(f"a {what} by Go's name, such as {next(reversed(table))}", value)
        return value

    return check


def _check_san(value: object) -> str:
    if not isinstance(value, str):
        raise refuse("a DNS name, an IP address, a mail address or a URI as text", value)
    return value


_VERSIONS = choice("TLS10", "TLS11", "TLS12", "TLS13")


@dataclass(frozen=True, slots=True)
class TLSServerConfig:
    """How the exporter shows itself, and who may connect. Relative paths are the file's neighbours."""

    cert: Annotated[str, Doc(_PEM, "Certificate, and the chain above it.")] = ""
    key: Annotated[str, Doc(_PEM, "Key of the certificate.")] = field(default="", repr=False)
    client_ca: Annotated[str, Doc(_PEM, "Authorities of the clients' certificates.")] = ""
    cert_file: Annotated[Path | None, Doc(FILE, "File of the certificate.")] = None
    key_file: Annotated[Path | None, Doc(FILE, "File of the key.")] = None
    client_auth_type: Annotated[str, Doc(_CLIENT_AUTH, "What is asked of clients.")] = ""
    client_ca_file: Annotated[Path | None, Doc(FILE, "File of the authorities.")] = None
    client_allowed_sans: Annotated[
        tuple[str, ...] | None,
        Doc(_list_of("names", _check_san), "Names of which a client's certificate must have one."),
    ] = None
    min_version: Annotated[str, Doc(_VERSIONS, "Oldest version of TLS.")] = "TLS12"
    max_version: Annotated[str, Doc(_VERSIONS, "Newest version of TLS.")] = "TLS13"
    cipher_suites: Annotated[
        tuple[str, ...],
        Doc(
            _list_of("cipher suites", _check_name_in(CIPHER_SUITES, "cipher suite")),
            "Cipher suites of TLS 1.2.",
        ),
    ] = ()
    prefer_server_cipher_suites: Annotated[
        bool, Doc(BOOLEAN, "Whether their order counts, or the client's.")
    ] = True
    curve_preferences: Annotated[
        tuple[str, ...],
        Doc(_list_of("curves", _check_name_in(CURVES, "curve")), "Curves of the key exchange."),
    ] = ()

    @property
    def is_enabled(self) -> bool:
        """Whether the file asks for TLS at all; any of these keys does."""
        return bool(
            self.cert_file
            or self.cert
            or self.key_file
            or self.key
            or self.client_ca_file
            or self.client_ca
            or self.client_auth_type
        )

    @property
    def has_client_ca(self) -> bool:
        return bool(self.client_ca_file or self.client_ca)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it stands on."""
        return tuple(
            path
            for path in (self.cert_file, self.key_file, self.client_ca_file)
            if path is not None
        )


def _check_headers(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise refuse("a mapping of headers to text", value)
    return MappingProxyType(dict(_check_header(*item) for item in value.items() if item[1] != ""))


def _check_header(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or name not in HEADERS:
        raise refuse(f"one of the headers {', '.join(HEADERS)}", name)
    allowed = HEADERS[name]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < SHOWN_INTEGER:
        value = str(value)  # X-XSS-Protection: 0
    if allowed and value not in allowed:
        raise refuse(f"{' or '.join(allowed)} for {name}", value)
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise refuse(f"printable ASCII text for {name}", value)
    return name, value


_HEADERS: Kind[Mapping[str, str]] = Kind("MAPPING", _check_headers, str)


@dataclass(frozen=True, slots=True)
class HTTPServerConfig:
    http2: Annotated[bool, Doc(BOOLEAN, "Has no effect: HTTP/1.1 is spoken.")] = True
    headers: Annotated[Mapping[str, str], Doc(_HEADERS, "Headers of every answer.")] = field(
        default_factory=lambda: MappingProxyType({})
    )


_GO_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "\u00b5s": Decimal("1e-6"),
    "\u03bcs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_GO_PART = re.compile(
    r"([0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(ns|us|\u00b5s|\u03bcs|ms|s|m|h)"
)
_GO_DURATION = "a duration as Go writes it, such as 1s or 250ms"


def _check_go_duration(value: object) -> float:
    """Seconds; a plain number is of nanoseconds, as in the toolkit."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value / 1e9
    if value == "0":
        return 0.0
    if not isinstance(value, str) or len(value) > 64:
        raise refuse(_GO_DURATION, value)
    parts = _GO_PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise refuse(_GO_DURATION, value)
    return float(sum(Decimal(number) * _GO_UNITS[unit] for number, unit in parts))


_GO: Kind[float] = Kind("DURATION", _check_go_duration, str)


@dataclass(frozen=True, slots=True)
class RateLimitConfig:
    """A token bucket over all requests; without an interval there is no limit."""

    interval_seconds: Annotated[float, Doc(_GO, "Time in which one more request is allowed.")] = 0.0
    burst: Annotated[int, Doc(integer(0, 1_000_000), "Requests that may come at once.")] = 0


_USERS_KEY = "basic_auth_users"
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_LONGEST_USER = 255


def _check_users(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise refuse("a mapping of users to bcrypt hashes", Hidden(value))
    return MappingProxyType(dict(_check_user(*item) for item in value.items()))


def _check_user(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str):
        raise ConfigError("", "a user's name is no text: put it in quotes")
    if ":" in name or len(name) > _LONGEST_USER:
        raise ConfigError("", "a user's name cannot be used: it is too long, or has a colon")
    if not isinstance(value, str) or not _BCRYPT.fullmatch(value):
        # Which one is not said: the names are secrets here.
        raise ConfigError("", "expected a bcrypt hash ($2y$10$...) for every user")
    return name, value


_USERS: Kind[Mapping[str, str]] = Kind("MAPPING", _check_users, str)


@dataclass(frozen=True, slots=True)
class WebFile:
    """What a web configuration file says; `warnings` are sentences for the log."""

    tls_server_config: TLSServerConfig = TLSServerConfig()
    http_server_config: HTTPServerConfig = HTTPServerConfig()
    basic_auth_users: Annotated[
        Mapping[str, str], Doc(_USERS, "Bcrypt hashes of passwords, by user.")
    ] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    rate_limit: RateLimitConfig = RateLimitConfig()
    warnings: tuple[str, ...] = ()


def read_web_config(path: Path) -> WebFile:
    """Reads and checks a file. Raises ConfigError."""
    try:
        file = read_config_file(path)
    except ConfigError as error:
        raise ConfigError.of(_without_users(error)) from error
    web = structure_file(file, WebFile)
    problems = [
        Problem(".".join(key), message, file.source(key)) for key, message in _contradictions(web)
    ]
    if problems:
        raise ConfigError.of(problems)
    tls = web.tls_server_config
    tls = dataclasses.replace(
        tls,
        cert_file=_beside(path, tls.cert_file),
        key_file=_beside(path, tls.key_file),
        client_ca_file=_beside(path, tls.client_ca_file),
    )
    return dataclasses.replace(web, tls_server_config=tls, warnings=tuple(_warnings(file, web)))


def _without_users(error: ConfigError) -> Iterator[Problem]:
    """Its problems; a key that stands twice may be a user's name."""
    for problem in error.problems:
        is_of_users = problem.key.startswith(f"{_USERS_KEY}.")
        yield dataclasses.replace(problem, key=_USERS_KEY) if is_of_users else problem


def _beside(path: Path, other: Path | None) -> Path | None:
    return None if other is None else path.parent / other


def _contradictions(web: WebFile) -> Iterator[tuple[tuple[str, ...], str]]:
    tls = web.tls_server_config
    if tls.is_enabled:
        for key, message in _of_tls(tls):
            yield ("tls_server_config", key), message
    if web.rate_limit.interval_seconds and not web.rate_limit.burst:
        yield ("rate_limit", "burst"), "must be at least 1: with 0 no request would be answered"


def _of_tls(tls: TLSServerConfig) -> Iterator[tuple[str, str]]:
    if not (tls.cert_file or tls.cert):
        yield "cert_file", "is missing: TLS needs cert_file or cert"
    if not (tls.key_file or tls.key):
        yield "key_file", "is missing: TLS needs key_file or key"
    asks = tls.client_auth_type not in {"", "NoClientCert"}
    if tls.has_client_ca and not asks:
        yield (
            "client_auth_type",
            "is missing: the clients' authority is of no use without RequireAndVerifyClientCert",
        )
    if tls.client_auth_type == "RequireAndVerifyClientCert" and not tls.has_client_ca:
        yield (
            "client_ca_file",
            "is missing: without it any certificate of a public authority would do",
        )
    if tls.max_version in {"TLS10", "TLS11"}:
        yield "max_version", f"{show(tls.max_version)} is too old: TLS12 and TLS13 are spoken"
    elif tls.max_version < tls.min_version:
        yield "max_version", "is older than min_version"
    if tls.max_version == "TLS12" and has_only_tls13(tls):
        yield "cipher_suites", "has none of TLS 1.2, and max_version allows no other"


def has_only_tls13(tls: TLSServerConfig) -> bool:
    """Whether the suites leave nothing for TLS 1.2."""
    return bool(tls.cipher_suites) and not any(CIPHER_SUITES[one] for one in tls.cipher_suites)


def _warnings(file: ConfigFile, web: WebFile) -> Iterator[str]:
    tls = web.tls_server_config
    name = f"{file.name}: tls_server_config"
    if not tls.is_enabled:
        if web.basic_auth_users:
            yield f"{file.name}: without TLS passwords are sent in the clear"
        return
    for inline, given in (
        ("cert", tls.cert and tls.cert_file),
        ("key", tls.key and tls.key_file),
        ("client_ca", tls.client_ca and tls.client_ca_file),
    ):
        if given:
            yield f"{name}.{inline}: is passed over, for {inline}_file is given too"
    if tls.min_version in {"TLS10", "TLS11"}:
        yield f"{name}.min_version: {tls.min_version} is too old; TLS12 is the oldest that is spoken"
    if any(CIPHER_SUITES[one] is None for one in tls.cipher_suites):
        yield f"{name}.cipher_suites: those of TLS 1.3 cannot be chosen; all are offered"
    if len(tls.curve_preferences) > 1:
        yield f"{name}.curve_preferences: several cannot be set; OpenSSL's own choice is offered"
    if tls.client_auth_type == "VerifyClientCertIfGiven" and not tls.has_client_ca:
        yield f"{name}.client_ca_file: is missing; certificates of public authorities are accepted"
    if tls.client_allowed_sans is not None and tls.client_auth_type in {"", "NoClientCert"}:
        yield f"{name}.client_allowed_sans: has no effect: no certificate is asked for"
