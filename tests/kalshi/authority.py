"""A certificate authority for tests of TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest


class Authority:
    """A certificate authority for one test, and what it signed."""

    def __init__(self, folder: Path) -> None:
        x509 = pytest.importorskip("cryptography.x509")
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        self._x509, self._hashes, self._serialization, self._folder = x509, hashes, serialization, folder
        self._new_key: Any = lambda: ec.generate_private_key(ec.SECP256R1())
        self._key = self._new_key()
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority for tests")])
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(self._sign(self._name, self._key.public_key(), is_authority=True))

    def server_side(self, *, host: str = "127.0.0.1", expired: bool = False) -> ssl.SSLContext:
        key = self._new_key()
        try:
            name = self._x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = self._x509.DNSName(host)
        subject = self._x509.Name([self._x509.NameAttribute(self._x509.NameOID.COMMON_NAME, "a server")])
        chain = self._folder / f"server-{host}-{expired}.pem"
        chain.write_bytes(
            key.private_bytes(
                self._serialization.Encoding.PEM,
                self._serialization.PrivateFormat.PKCS8,
                self._serialization.NoEncryption(),
            )
            + self._sign(subject, key.public_key(), alternative=name, expired=expired)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _sign(
        self, subject: Any, key: Any, *, alternative: Any = None, expired: bool = False, is_authority: bool = False
    ) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            self._x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(self._x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=2))
            .not_valid_after(now + dt.timedelta(days=-1 if expired else 1))
            .add_extension(self._x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            # Python 3.13 and later insist on these.
            .add_extension(self._x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                self._x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if is_authority:
            uses = dict.fromkeys(
                ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
                False,
            )
            usage = self._x509.KeyUsage(
                key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False, **uses
            )
            builder = builder.add_extension(usage, critical=True)
        if alternative is not None:
            builder = builder.add_extension(self._x509.SubjectAlternativeName([alternative]), critical=False)
        signed = builder.sign(self._key, self._hashes.SHA256())
        return bytes(signed.public_bytes(self._serialization.Encoding.PEM))
