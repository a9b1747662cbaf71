"""Alerts: a text posted to a webhook that takes Slack's `{"text": ...}`, and what such a text may hold.

The address of a webhook is its password: it is in no message, log or `repr`. Texts quote errors and data, so
secrets, control characters and mentions that would ring every phone are taken out here.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from pipelines.errors import MilestonesError, WrongSetting
from pipelines.escaping import printable
from pipelines.kalshi.base_url import check_base_url
from pipelines.kalshi.errors import BadBaseUrl
from pipelines.kalshi.network import Network
from pipelines.kalshi.server_text import quoted
from pipelines.settings import WEBHOOK_VARIABLE, Settings

if TYPE_CHECKING:
    import requests

TIMEOUT_SECONDS = 10.0
TRIES = 2
PAUSE_SECONDS = 1.0
TEXT_CHARACTERS = 3_000
"""What Slack takes in one section of a message."""
NAME_CHARACTERS = 200
ERROR_CHARACTERS = 2_000

HIDDEN = "***"
SECRET_NAMES = ("SECRET", "TOKEN", "PASSWORD", "KEY", "WEBHOOK")
SECRET_CHARACTERS = 6
"""Shorter values (`us` of a KEYBOARD, `false` of a TOKENIZERS_PARALLELISM) hide words and no secrets."""
SECRET_PATH_CHARACTERS = 12
"""A part of an address is a secret from here on; shorter ones are words such as `services`."""

# Bounded or without overlap, so that long hostile texts cost no quadratic time.
_ADDRESS = re.compile(r"://[^\s\"<>]+")
_CREDENTIALS = re.compile(r"[^\s\"'<>:/@]{1,100}:(?!//)[^\s\"'<>@]{1,200}@")
_USERINFO = re.compile(r"://(\S+)@")
_QUERY = re.compile(r"\?[\w.~%\[\]-]{1,100}=[^\s\"<>]*")
# Mattermost and Discord, which take the same messages, read these without Slack's brackets.
_MENTION = re.compile(r"@(?=(?:channel|here|everyone|all)\b)", re.IGNORECASE)
_SLACK_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_PLAIN_QUERY = re.compile(r"[!-~]*")


class AlertNotDelivered(MilestonesError):
    """The webhook did not take an alert; names its host only."""


class Webhook:
    """A webhook that takes Slack's messages; https anywhere, plain http on this machine only.

    `session` is one as `pipelines.kalshi.transport.build_session` makes them, and stays its owner's to close; without
    one every post opens its own, which goes out as `network` says and follows no redirect. `timeout_seconds` is
    for a whole try. Raises WrongSetting.
    """

    def __init__(
        self,
        url: str,
        *,
        session: requests.Session | None = None,
        network: Network | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        fault = _fault_of(url)
        if fault:
            raise WrongSetting(f"{WEBHOOK_VARIABLE} cannot be used ({fault}): give the https address of a webhook")
        self._url = url
        self._session = session
        self._network = network or Network()
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"Webhook({self.host!r})"

    @classmethod
    def from_environment(cls) -> Webhook | None:
        """The webhook of `MILESTONES_WEBHOOK_URL`, None where it is not set. Raises WrongSetting."""
        settings = Settings.from_environment()
        return cls(settings.webhook_url, network=settings.network()) if settings.webhook_url else None

    @property
    def host(self) -> str:
        """Host and port, the part that may be shown."""
        return urlsplit(self._url).netloc

    def post(self, text: str) -> None:
        """Deliver a text, made safe by `message_text`. Raises AlertNotDelivered.

        A receiver that took it and was too slow to say so gets it again: twice is better than not at all.
        """
        payload = json.dumps({"text": message_text(text)}).encode("ascii")
        fault = self._try(payload)
        tries = 1
        while fault is not None and fault.is_worth_retrying and tries < TRIES:
            self._sleep(PAUSE_SECONDS)
            fault = self._try(payload)
            tries += 1
        if fault is not None:
            # Raised here, outside every `except`: what requests raised names the whole address, and would be its
            # context, which Dagster stores.
            times = f", {tries} tries" if tries > 1 else ""
            raise AlertNotDelivered(
                f"the alert was not delivered to {self.host} ({fault.detail}{times}): check {WEBHOOK_VARIABLE}"
            )

    def _try(self, payload: bytes) -> _Fault | None:
        """One try; None when it was taken."""
        # Takes a third of a second, which commands that only log need not wait for.
        import requests  # noqa: PLC0415
        import urllib3  # noqa: PLC0415

        from pipelines.kalshi.status_codes import is_worth_retrying  # noqa: PLC0415
        from pipelines.kalshi.transport import build_session, root_cause  # noqa: PLC0415

        headers = {"Content-Type": "application/json", "User-Agent": "kalshi-milestones"}
        try:
            with (
                nullcontext(self._session) if self._session is not None else build_session(self._network) as session,
                # The answer's body is never read: it says nothing that the status does not.
                session.post(
                    self._url,
                    data=payload,
                    headers=headers,
                    timeout=self._timeout_seconds,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                status = response.status_code
        except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            cause = root_cause(error)
            # Never their str(): it may hold the address.
            detail = quoted(str(getattr(cause, "strerror", None) or type(cause).__name__))
            return _Fault(detail, is_worth_retrying=True)
        if status // 100 == 2:
            return None
        redirected = ", and redirects are not followed" if status // 100 == 3 else ""
        return _Fault(f"HTTP {status}{redirected}", is_worth_retrying(status))


class _Fault(NamedTuple):
    """Why a try did not succeed, in words without the address."""

    detail: str
    is_worth_retrying: bool


def run_failed_text(job: str, run_id: str, error: str) -> str:
    """The alert of a failed run, in one line."""
    return f"Run failed: {_name(job)} (run {_name(run_id)}): {_line(error, ERROR_CHARACTERS)}"


def check_failed_text(asset: str, check: str, severity: str, description: str) -> str:
    """The alert of a failed check, in one line."""
    return f"Check failed ({_name(severity)}): {_name(check)} of {_name(asset)}: {_line(description, ERROR_CHARACTERS)}"


def message_text(text: str, *, characters: int = TEXT_CHARACTERS) -> str:
    """The text as it may be posted: redacted, escaped for Slack, mentioning nobody, bounded; lines stay lines."""
    # What is far beyond the bound is dropped before it is worked on, but never before it is redacted.
    whole = redact(text).replace("\r\n", "\n")[: characters + 1]
    shown = "\n".join(map(printable, whole.split("\n")))
    escaped = [_SLACK_ESCAPES.get(one, one) for one in _MENTION.sub("@\u200b", shown)]
    if sum(map(len, escaped)) <= characters:
        return "".join(escaped)
    kept, room = [], characters - len("...")
    for one in escaped:
        room -= len(one)
        if room < 0:
            break
        kept.append(one)
    return "".join(kept) + "..."


def redact(text: str, *, environment: Mapping[str, str] = os.environ) -> str:
    """The text without the values of secret variables, credentials in front of an `@`, and queries of addresses."""
    for secret in sorted(set(_secrets(environment)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _ADDRESS.sub(lambda match: _bare_address(match[0]), text)
    # Most texts hold no `@`, and the log asks for every line.
    if "@" in text:
        text = _CREDENTIALS.sub(f"{HIDDEN}@", text)
    return _QUERY.sub(f"?{HIDDEN}", text)


def _bare_address(address: str) -> str:
    """From `://` on. Everything up to the last `@` goes: a password may hold any character, and to hide too much of
    an address does no harm.
    """
    before, at, after = address.rpartition("@")
    shown = f"://{HIDDEN}@{after}" if before and at else address
    bare = re.split(r"[?#]", shown, maxsplit=1)[0]
    return bare if bare == shown else f"{bare}?{HIDDEN}"


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Every text that gives a secret away: the value, each of its lines, and both as they stand in an address.

    A variable of any name may hold an address with a password, as KALSHI_PROXY does.
    """
    for name, value in environment.items():
        if "@" in value and (found := _USERINFO.search(value)):
            yield from (one for one in _forms_of_userinfo(found[1]) if len(one) >= SECRET_CHARACTERS)
        if not any(part in name.upper() for part in SECRET_NAMES):
            continue
        for line in (value, *value.splitlines()):
            for form in (line.strip(), quote(line.strip(), safe="", errors="surrogateescape")):
                if len(form) >= SECRET_CHARACTERS:
                    yield form
        # Errors of the network name the path without the host.
        path = value.strip().partition("://")[2].partition("/")[2]
        for part in (path, *path.split("?", 1), path.partition("?")[0].rpartition("/")[2]):
            if len(part) >= SECRET_PATH_CHARACTERS:
                yield part


def _forms_of_userinfo(userinfo: str) -> Iterator[str]:
    """What stands before the `@`, its password as it is written and as it is meant, and the header made of it."""
    user, colon, password = userinfo.partition(":")
    if not colon and len(user) < SECRET_PATH_CHARACTERS:
        # A name, not a token.
        return
    meant = unquote(userinfo)
    yield from (userinfo, meant, password, unquote(password))
    yield base64.b64encode(meant.encode("utf-8", "replace")).decode()


def _name(text: str) -> str:
    return _line(text, NAME_CHARACTERS)


def _line(text: str, characters: int) -> str:
    """One printable line: redacted while it is whole, as half a secret is not recognised."""
    return quoted(" ".join(redact(text).split()), characters=characters)


def _fault_of(url: str) -> str:
    """What is wrong with an address, without quoting it; "" when nothing is."""
    # The rule of the API's address, but for the query, in which some services want their key.
    base, _, query = url.partition("?")
    if not _PLAIN_QUERY.fullmatch(query) or "#" in query:
        return "it has a fragment, or characters that no plain ASCII URL has"
    try:
        check_base_url(base)
    except BadBaseUrl as error:
        return error.detail
    return ""
