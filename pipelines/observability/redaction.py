"""Redaction: removes secrets from texts before they are logged, posted or stored. Wording of alerts is in `alerts`."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

HIDDEN = "***"
SECRET_NAMES = ("SECRET", "TOKEN", "PASSWORD", "KEY", "WEBHOOK")
SECRET_CHARACTERS = 6
"""Minimum length of a secret: shorter values (KEYBOARD=us, TOKENIZERS_PARALLELISM=false) are ordinary words."""
SECRET_PATH_CHARACTERS = 12
"""Minimum length of a secret in the path of a URL; shorter parts are ordinary words such as `services`."""

# Bounded or without overlap, so that long hostile texts cost no quadratic time.
_ADDRESS = re.compile(r"://[^\s\"<>]+")
_CREDENTIALS = re.compile(r"[^\s\"'<>:/@]{1,100}:(?!//)[^\s\"'<>@]{1,200}@")
_USERINFO = re.compile(r"://(\S+)@")
# The signature of a request, which no setting holds: 256 to 512 bytes in base64, by the size of the key.
_SIGNATURE = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{342,684}={0,2}(?![A-Za-z0-9+/=])")
_QUERY = re.compile(r"\?[\w.~%\[\]-]{1,100}=[^\s\"<>]*")


def redact(text: str, *, environment: Mapping[str, str] = os.environ) -> str:
    """Replace the values of secret variables, signatures, credentials before an `@`, and the queries of URLs."""
    for secret in sorted(set(_secrets(environment)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _SIGNATURE.sub(HIDDEN, text)
    text = _ADDRESS.sub(lambda match: _bare_address(match[0]), text)
    # Every log line is redacted, and most have no `@`.
    if "@" in text:
        text = _CREDENTIALS.sub(f"{HIDDEN}@", text)
    return _QUERY.sub(f"?{HIDDEN}", text)


def _bare_address(address: str) -> str:
    """A URL from `://` on, without credentials and query. All text up to the last `@` is hidden, as a password may
    contain any character: hiding too much of a URL does no harm.
    """
    before, at, after = address.rpartition("@")
    shown = f"://{HIDDEN}@{after}" if before and at else address
    bare = re.split(r"[?#]", shown, maxsplit=1)[0]
    return bare if bare == shown else f"{bare}?{HIDDEN}"


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Every form of a secret: the value, each of its lines, and both percent-encoded.

    A variable of any name, such as KALSHI_PROXY, may contain a URL with a password.
    """
    for name, value in environment.items():
        if "@" in value and (found := _USERINFO.search(value)):
            yield from (form for form in _forms_of_userinfo(found[1]) if len(form) >= SECRET_CHARACTERS)
        # The path of a file with a secret is none, and an error about it must name it.
        if name.upper().endswith("_FILE") or not any(part in name.upper() for part in SECRET_NAMES):
            continue
        for line in (value, *value.splitlines()):
            for form in (line.strip(), quote(line.strip(), safe="", errors="surrogateescape")):
                if len(form) >= SECRET_CHARACTERS:
                    yield form
        # Network errors contain the path without the host.
        path = value.strip().partition("://")[2].partition("/")[2]
        for part in (path, *path.split("?", 1), path.partition("?")[0].rpartition("/")[2]):
            if len(part) >= SECRET_PATH_CHARACTERS:
                yield part


def _forms_of_userinfo(userinfo: str) -> Iterator[str]:
    """The text before the `@` and its password, both also percent-decoded, and the Authorization header made of it."""
    user, colon, password = userinfo.partition(":")
    if not colon and len(user) < SECRET_PATH_CHARACTERS:
        # A user name, not a token.
        return
    decoded = unquote(userinfo)
    yield from (userinfo, decoded, password, unquote(password))
    yield base64.b64encode(decoded.encode("utf-8", "replace")).decode()
