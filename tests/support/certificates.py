"""Certificates made in the test: authorities, and what they sign, good and bad."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


@dataclass(frozen=True)
class Pair:
    """A certificate, in PEM and DER, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def not_after(self) -> float:
        return self.certificate.not_valid_after_utc.timestamp()

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase)
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )


@dataclass(frozen=True)
class Authority(Pair):
    """A CA."""

    @classmethod
    def new(
        cls,
        common_name: str = "the tests' CA",
        *,
        not_before: datetime = NOW - 2 * DAY,
        not_after: datetime = NOW + 30 * DAY,
        issuer: Authority | None = None,
    ) -> Self:
        """A self-signed one, or an intermediate one of `issuer`."""
        key = _new_key()
        signing_key, issuer_name = (
            (key, _name(common_name))
            if issuer is None
            else (issuer.key, issuer.certificate.subject)
        )
        builder = (
            _builder(_name(common_name), issuer_name, key, signing_key, not_before, not_after)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
        )
        return cls(builder.sign(signing_key, hashes.SHA256()), key)

    def issue(
        self,
        common_name: str,
        *names: str,
        not_before: datetime = NOW - DAY,
        not_after: datetime = NOW + 20 * DAY,
    ) -> Pair:
        """A certificate for servers and clients; `names` are its alternative names, hosts and IPs."""
        key = _new_key()
        builder = (
            _builder(
                _name(common_name), self.certificate.subject, key, self.key, not_before, not_after
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return Pair(builder.sign(self.key, hashes.SHA256()), key)

    def revocations(self, *revoked: Pair, next_update: datetime = NOW + 10 * DAY) -> bytes:
        """The CRL in PEM that names `revoked`."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(NOW - 2 * DAY)
            .next_update(next_update)
        )
        for pair in revoked:
            entry = x509.RevokedCertificateBuilder(pair.certificate.serial_number, NOW - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signing_key: ec.EllipticCurvePrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    """With the identifiers of both keys, which Python 3.13's clients insist on."""
    of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(of_signer, critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write_client(
    folder: Path,
    authorities: Sequence[Pair],
    own: Pair | None = None,
    *,
    revocations: bytes | None = None,
) -> Path:
    """Makes a folder for `pkipath=`."""
    folder.mkdir(exist_ok=True)
    (folder / "cacert.pem").write_bytes(b"".join(pair.pem for pair in authorities))
    if own is not None:
        (folder / "clientcert.pem").write_bytes(own.pem)
        (folder / "clientkey.pem").write_bytes(own.key_pem())
    if revocations is not None:
        (folder / "cacrl.pem").write_bytes(revocations)
    return folder
