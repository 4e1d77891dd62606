"""The format of Prometheus' exporter toolkit: what is read, what is refused, what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError
from exporter.web.web_config import CIPHER_SUITES, WebFile, _check_users, read_web_config

HASH = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze"
TLS = "tls_server_config: {cert_file: a.crt, key_file: a.key"


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "web.yml")


class Reader:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, text: str) -> WebFile:
        self.file.write_text(text)
        return read_web_config(self.file)

    def refusal(self, text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            self(text)
        return str(caught.value).replace(str(self.file), "F")


@pytest.mark.parametrize("text", ["", "tls_server_config:\n", "{}", "basic_auth_users:"])
def test_an_empty_file_asks_for_nothing(read: Reader, text: str) -> None:
    assert read(text) == WebFile()
    assert not read(text).tls_server_config.is_enabled


def test_every_key_of_the_format_is_read(read: Reader) -> None:
    web = read(f"""
tls_server_config:
  cert_file: server.crt
  key_file: /etc/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca/clients.pem
  client_allowed_sans: [prometheus.example.org, 10.0.0.1]
  min_version: TLS13
  max_version: TLS13
  cipher_suites: [TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: no
  curve_preferences: [X25519]
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    Content-Security-Policy: "default-src 'self'"
    X-XSS-Protection: 0
    Strict-Transport-Security: ""
basic_auth_users:
  alice: {HASH}
rate_limit:
  interval: 1s500ms
  burst: 20
""")
    tls = web.tls_server_config
    assert tls.cert_file == read.file.parent / "server.crt"
    assert tls.key_file == Path("/etc/server.key")
    assert tls.client_ca_file == read.file.parent / "ca/clients.pem"
    assert tls.client_allowed_sans == ("prometheus.example.org", "10.0.0.1")
    assert (tls.min_version, tls.max_version) == ("TLS13", "TLS13")
    assert not tls.prefer_server_cipher_suites
    assert web.http_server_config.headers == {
        "X-Frame-Options": "deny",
        "Content-Security-Policy": "default-src 'self'",
        "X-XSS-Protection": "0",
    }
    assert web.basic_auth_users == {"alice": HASH}
    assert (web.rate_limit.interval_seconds, web.rate_limit.burst) == (1.5, 20)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("1m30s", 90.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("100us", 0.0001),
        ("100µs", 0.0001),
        ("0", 0.0),
        ("1000000000", 1.0),  # nanoseconds, as in the toolkit
        ("'0'", 0.0),
    ],
)
def test_an_interval_is_what_go_takes_it_for(read: Reader, text: str, seconds: float) -> None:
    web = read(f"rate_limit: {{interval: {text}, burst: 1}}")
    assert web.rate_limit.interval_seconds == seconds


REFUSED = {
    "tls_config: {}": "F:1: tls_config: unknown key, did you mean tls_server_config? "
    "(allowed here: tls_server_config, http_server_config, basic_auth_users, rate_limit)",
    "cert_file: a.crt": "F:1: cert_file: unknown key, did you mean tls_server_config.cert_file? "
    "(allowed here: tls_server_config, http_server_config, basic_auth_users, rate_limit)",
    "- a": "F: expected a mapping of settings at the top",
    "tls_server_config: {cert_file: a.crt}": "F:1: tls_server_config.key_file: is missing: TLS "
    "needs key_file or key",
    'tls_server_config: {cert_file: "", key_file: a.key}': "F:1: tls_server_config.cert_file: "
    "is missing: TLS needs cert_file or cert",
    "tls_server_config: {client_auth_type: NoClientCert}": "F:1: tls_server_config.cert_file: "
    "is missing: TLS needs cert_file or cert\nF:1: tls_server_config.key_file: is missing: TLS "
    "needs key_file or key",
    f"{TLS}, client_ca_file: ca.pem}}": "F:1: tls_server_config.client_auth_type: is missing: the "
    "clients' authority is of no use without RequireAndVerifyClientCert",
    f"{TLS}, client_auth_type: RequireAndVerifyClientCert}}": "F:1: "
    "tls_server_config.client_ca_file: is missing: without it any certificate of a public "
    "authority would do",
    **{
        f"{TLS}, client_auth_type: {kind}}}": f"F:1: tls_server_config.client_auth_type: {kind} asks "
        "for a certificate and verifies nothing; use RequireAndVerifyClientCert, or "
        "VerifyClientCertIfGiven where some clients have none"
        for kind in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
    },
    f"{TLS}, client_auth_type: Please}}": "F:1: tls_server_config.client_auth_type: expected one of "
    "NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert, got 'Please'",
    f"{TLS}, min_version: TLS111}}": "F:1: tls_server_config.min_version: expected one of TLS10, "
    "TLS11, TLS12, TLS13, got 'TLS111'",
    f"{TLS}, max_version: TLS11}}": "F:1: tls_server_config.max_version: 'TLS11' is too old: TLS12 "
    "and TLS13 are spoken",
    f"{TLS}, min_version: TLS13, max_version: TLS12}}": "F:1: tls_server_config.max_version: is "
    "older than min_version",
    f"{TLS}, max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]}}": "F:1: "
    "tls_server_config.cipher_suites: has none of TLS 1.2, and max_version allows no other",
    f"{TLS}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}}": "F:1: tls_server_config.cipher_suites: "
    "expected a cipher suite by Go's name, such as TLS_RSA_WITH_AES_256_GCM_SHA384, got "
    "'TLS_RSA_WITH_RC4_128_SHA'",
    f"{TLS}, curve_preferences: [CurveP257]}}": "F:1: tls_server_config.curve_preferences: expected "
    "a curve by Go's name, such as X25519, got 'CurveP257'",
    f"{TLS}, curve_preferences: X25519}}": "F:1: tls_server_config.curve_preferences: expected a "
    "list of curves, got 'X25519'",
    "http_server_config: {headers: {Server: x}}": "F:1: http_server_config.headers: expected one of "
    "the headers Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, "
    "X-Frame-Options, X-XSS-Protection, got 'Server'",
    "http_server_config: {headers: {X-Frame-Options: allow}}": "F:1: http_server_config.headers: "
    "expected deny or sameorigin for X-Frame-Options, got 'allow'",
    'http_server_config: {headers: {X-XSS-Protection: "a\\r\\nSet-Cookie: b"}}': "F:1: "
    "http_server_config.headers: expected printable ASCII text for X-XSS-Protection, got "
    "'a\\r\\nSet-Cookie: b'",
    "rate_limit: {interval: 1s}": "F:1: rate_limit.burst: must be at least 1: with 0 no request "
    "would be answered",
    "rate_limit: {interval: 1d}": "F:1: rate_limit.interval: expected a duration as Go writes it, "
    "such as 1s or 250ms, got '1d'",
    "basic_auth_users: {alice: s3cret}": "F:1: basic_auth_users: expected a bcrypt hash "
    "($2y$10$...) for every user",
    f"basic_auth_users: {{alice: {HASH[:-1]}}}": "F:1: basic_auth_users: expected a bcrypt hash "
    "($2y$10$...) for every user",
    f"basic_auth_users: {{1: {HASH}}}": "F:1: basic_auth_users: a user's name is no text: put it in "
    "quotes",
    f"basic_auth_users: {{'a:b': {HASH}}}": "F:1: basic_auth_users: a user's name cannot be used: it "
    "is too long, or has a colon",
    f"basic_auth_users: {{alice: {HASH}, alice: {HASH}}}": "F:1: basic_auth_users: given twice, "
    "first on line 1",
    "tls_server_config: {key: 1}": "F:1: tls_server_config.key: expected text in PEM (-----BEGIN "
    "...), got a number",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_used_is_refused_with_its_place_and_reason(read: Reader, text: str) -> None:
    assert read.refusal(text) == REFUSED[text]


def test_every_mistake_is_told_at_once(read: Reader) -> None:
    said = read.refusal("tls_server_config: {min_version: x}\nrate_limit: {burst: y}\nz: 1\n")
    assert [line.partition(": ")[0] for line in said.splitlines()] == ["F:1", "F:2", "F:3"]


@given(st.sampled_from(["alice", "s3cret"]), st.text(max_size=20))
def test_no_refusal_tells_a_user_or_a_password(name: str, junk: str) -> None:
    for value in ({name: name + junk}, {name + junk + ":": HASH}, [name], {name: [name]}):
        with pytest.raises(ConfigError) as caught:
            _check_users(value)
        assert name not in str(caught.value)


WARNED = {
    f"basic_auth_users: {{alice: {HASH}}}": ["without TLS passwords are sent in the clear"],
    f"{TLS}, cert: x}}": ["tls_server_config.cert: is passed over, for cert_file is given too"],
    f"{TLS}, min_version: TLS10}}": [
        "tls_server_config.min_version: TLS10 is too old; TLS12 is the oldest that is spoken"
    ],
    f"{TLS}, curve_preferences: [X25519, CurveP256]}}": [
        "tls_server_config.curve_preferences: several cannot be set; OpenSSL's own choice is offered"
    ],
    f"{TLS}, cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]}}": [
        "tls_server_config.cipher_suites: those of TLS 1.3 cannot be chosen; all are offered"
    ],
    f"{TLS}, client_auth_type: VerifyClientCertIfGiven}}": [
        (
            "tls_server_config.client_ca_file: is missing; certificates of public authorities are "
            "accepted"
        )
    ],
    f"{TLS}, client_allowed_sans: [a]}}": [
        "tls_server_config.client_allowed_sans: has no effect: no certificate is asked for"
    ],
    f"{TLS}}}": [],
    f"{TLS}, cipher_suites: [{', '.join(list(CIPHER_SUITES)[3:])}]}}": [],
}


@pytest.mark.parametrize("text", WARNED)
def test_what_has_no_effect_is_warned_of(read: Reader, text: str) -> None:
    assert list(read(text).warnings) == [f"{read.file}: {one}" for one in WARNED[text]]
