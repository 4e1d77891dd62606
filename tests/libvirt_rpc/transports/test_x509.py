from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.transports.x509 import parse_certificate, parse_pem
from tests.support.certificates import Authority

CA = Authority.new()
LEAF = CA.issue("localhost", "localhost", "127.0.0.1")

# 2050 begins the second of the two formats of time.
SECONDS = st.integers(-(10**8), 6 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(st.lists(SECONDS, min_size=2, max_size=2, unique=True).map(sorted))
def test_the_times_of_any_certificate_are_found(times: list[datetime]) -> None:
    before, after = times
    certificate = parse_certificate(CA.issue("x", not_before=before, not_after=after).der)
    assert (certificate.not_before, certificate.not_after) == (
        before.timestamp(),
        after.timestamp(),
    )


def test_issuer_and_subject_can_be_compared() -> None:
    ca, leaf = parse_certificate(CA.der), parse_certificate(LEAF.der)
    assert leaf.issuer == ca.subject != leaf.subject
    assert ca.is_self_signed
    assert not leaf.is_self_signed


def test_every_certificate_of_a_file_is_read_in_order() -> None:
    text = f"a comment\n{LEAF.pem.decode()}\nanother\n{CA.pem.decode()}"
    assert parse_pem(text) == (parse_certificate(LEAF.der), parse_certificate(CA.der))
    assert parse_pem(LEAF.key_pem().decode()) == ()


@given(st.integers(0, len(LEAF.der) - 1))
def test_a_certificate_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_certificate(LEAF.der[:length])


@given(
    st.binary(max_size=64)
    | st.builds(
        lambda at, byte: LEAF.der[:at] + bytes([byte]) + LEAF.der[at + 1 :],
        st.integers(0, 160),
        st.integers(0, 255),
    )
)
def test_any_bytes_are_a_certificate_or_refused(der: bytes) -> None:
    try:
        certificate = parse_certificate(der)
    except ValueError:
        return
    assert len(certificate.subject) <= len(der)


def test_damaged_pem_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_pem("-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n")
