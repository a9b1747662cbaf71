"""Keys for signed requests."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def private_key_file(folder: Path) -> Path:
    """A new RSA key in a file that only its owner may read."""
    file = folder / "key.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(*form))
    file.chmod(0o600)
    return file
