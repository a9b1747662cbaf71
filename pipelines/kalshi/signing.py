"""Signed requests: the headers by which the API knows an account, so that the account's rate limit applies.

The scheme is the API's: RSA-PSS with SHA-256 over timestamp, method and path. Milestones are public, so signing is
optional, and `cryptography` is imported only where a key is configured.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from pipelines.errors import ExtraMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_HEADER = "KALSHI-ACCESS-KEY"
SIGNATURE_HEADER = "KALSHI-ACCESS-SIGNATURE"
TIMESTAMP_HEADER = "KALSHI-ACCESS-TIMESTAMP"

MIN_KEY_BITS = 2048
"""The size of the keys that the API gives out; shorter RSA keys can be broken."""

MAX_FILE_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 4
_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_KEY_ID = re.compile(r"[!-~]{1,200}")


class UnusableKey(Exception):
    """A private key cannot be used; the text says why and quotes nothing of the file."""


class RequestSigner:
    """Signs every attempt of a request to one of `base_urls`; requests to other hosts stay as they are.

    Threads may share it. `now` gives aware times: the API refuses a signature whose time is far from its own.
    """

    def __init__(self, key_id: str, key: RSAPrivateKey, *, base_urls: Iterable[str]) -> None:
        self._key_id = key_id
        self._key = key
        self._origins = frozenset(_origin(url) for url in base_urls)

    def __repr__(self) -> str:
        return f"RequestSigner({self.shown_key_id})"

    @property
    def shown_key_id(self) -> str:
        """The start of the key's id, enough to tell it from the account's other keys."""
        return f"{self._key_id[:_SHOWN_CHARACTERS]}***" if len(self._key_id) > 4 * _SHOWN_CHARACTERS else "***"

    def at(self, now: Callable[[], datetime]) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        """The `auth` of a request, signed with the time at which the request is prepared."""

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            return self._sign(request, now())

        return sign

    def _sign(self, request: requests.PreparedRequest, time: datetime) -> requests.PreparedRequest:
        url = request.url or ""
        if _origin(url) not in self._origins:
            return request
        timestamp = str(int(time.timestamp() * 1000))
        request.headers[KEY_HEADER] = self._key_id
        request.headers[TIMESTAMP_HEADER] = timestamp
        request.headers[SIGNATURE_HEADER] = self._signature(f"{timestamp}{request.method}{urlsplit(url).path}")
        return request

    def _signature(self, message: str) -> str:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        return base64.b64encode(self._key.sign(message.encode(), pss, hashes.SHA256())).decode()


def is_signed(request: requests.PreparedRequest) -> bool:
    """Whether a request was sent with a signature."""
    return SIGNATURE_HEADER in request.headers


def without_signature(body: bytes, request: requests.PreparedRequest) -> bytes:
    """The body of a response without the key's id and signature of its request: a server or a proxy may echo them."""
    for name in (SIGNATURE_HEADER, KEY_HEADER):
        if value := request.headers.get(name):
            body = body.replace(str(value).encode(), b"***")
    return body


def fault_of_key_id(key_id: str) -> str:
    """Why a key's id cannot be sent, without quoting it; "" where it can."""
    return "" if _KEY_ID.fullmatch(key_id) else "it holds blanks or characters outside printable ASCII, or is too long"


def load_key(path: Path) -> RSAPrivateKey:
    """The RSA private key of a PEM file that only its owner can read. Raises UnusableKey, ExtraMissing."""
    data = _read(path)
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    except ImportError as error:
        raise ExtraMissing("a signed request", "signed") from error
    if not _PEM.search(data):
        raise UnusableKey("it holds no private key in PEM form")
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise UnusableKey("it is encrypted: openssl rsa -in FILE -out NEW_FILE removes the password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        # The library's text may quote the file.
        raise UnusableKey("its private key is damaged or of an unknown kind") from error
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKey("it holds a private key of another kind than RSA")
    if key.key_size < MIN_KEY_BITS:
        raise UnusableKey(f"its RSA key has {key.key_size} bits, fewer than {MIN_KEY_BITS}")
    return key


def _read(path: Path) -> bytes:
    try:
        # Opening a named pipe would wait for its writer.
        if not path.is_file():
            raise UnusableKey("it is not a file" if path.exists() else "there is no such file")
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise UnusableKey(f"its mode is {mode:04o}, so that other users can reach it: chmod 600 it")
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise UnusableKey(error.strerror or "it cannot be read") from error


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        # A wrong base URL, which the client refuses.
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()
