"""Reads from a certificate in DER what the ssl module tells of verified ones only: its validity.

Pure. Any bytes give a `Certificate` or ValueError. Nothing is verified here.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Certificate", "parse_certificate", "parse_pem"]

_SEQUENCE = 0x30
_INTEGER = 0x02
_VERSION = 0xA0
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18

_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """`issuer` and `subject` are DER, to be compared; the times are seconds since the epoch."""

    issuer: bytes
    subject: bytes
    not_before: float
    not_after: float

    @property
    def is_self_signed(self) -> bool:
        return self.issuer == self.subject


def parse_pem(text: str) -> tuple[Certificate, ...]:
    """Every certificate of a PEM file, in order. Raises ValueError."""
    return tuple(parse_certificate(ssl.PEM_cert_to_DER_cert(block)) for block in _PEM.findall(text))


def parse_certificate(der: bytes) -> Certificate:
    """Raises ValueError. Source: RFC 5280, 4.1."""
    outer = _Reader(der).enter(_SEQUENCE)  # Certificate
    fields = outer.enter(_SEQUENCE)  # TBSCertificate
    if fields.next_tag() == _VERSION:
        fields.take(_VERSION)
    fields.take(_INTEGER)  # serialNumber
    fields.take(_SEQUENCE)  # signature
    issuer = fields.take(_SEQUENCE)
    validity = fields.enter(_SEQUENCE)
    not_before, not_after = validity.take_time(), validity.take_time()
    return Certificate(issuer, fields.take(_SEQUENCE), not_before, not_after)


class _Reader:
    """Walks over DER elements; every length is checked against what is there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def next_tag(self) -> int:
        if self._position >= len(self._data):
            raise ValueError("the certificate ends too early")
        return self._data[self._position]

    def take(self, tag: int) -> bytes:
        """The content of the next element."""
        if self.next_tag() != tag:
            raise ValueError(f"the certificate has tag {self.next_tag():#x} in place of {tag:#x}")
        start = self._position + 2
        length = int.from_bytes(self._data[start - 1 : start])
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(self._data[start : start + size])
            start += size
        end = start + length
        if end > len(self._data):
            raise ValueError("the certificate ends too early")
        self._position = end
        return self._data[start:end]

    def enter(self, tag: int) -> _Reader:
        return _Reader(self.take(tag))

    def take_time(self) -> float:
        tag = self.next_tag()
        text = self.take(tag).decode("ascii")
        if tag == _UTC_TIME:
            text = f"{'19' if text[:2] >= '50' else '20'}{text}"
        elif tag != _GENERALIZED_TIME:
            raise ValueError(f"the certificate has tag {tag:#x} in place of a time")
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
