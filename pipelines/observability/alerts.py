"""Alerts: posts a text to a Slack-compatible webhook (`{"text": ...}`), and makes the text safe to post.

The URL of a webhook is its password, so no message, log or `repr` contains it. Texts quote errors and data, so secrets,
control characters and mentions (`@channel`) are removed here. When to alert is decided in `orchestration.sensors`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pipelines.errors import MilestonesError, WrongSetting
from pipelines.escaping import printable
from pipelines.kalshi.base_url import check_base_url
from pipelines.kalshi.errors import BadBaseUrl
from pipelines.kalshi.network import Network
from pipelines.kalshi.server_text import quoted
from pipelines.observability.redaction import redact
from pipelines.settings import WEBHOOK_VARIABLE, network, setting

if TYPE_CHECKING:
    import requests

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 2
PAUSE_SECONDS = 1.0
TEXT_CHARACTERS = 3_000
"""Slack's limit for one section of a message."""
NAME_CHARACTERS = 200
ERROR_CHARACTERS = 2_000

# Mattermost and Discord accept the same messages, and mention without Slack's brackets.
_MENTION = re.compile(r"@(?=(?:channel|here|everyone|all)\b)", re.IGNORECASE)
_SLACK_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_PLAIN_QUERY = re.compile(r"[!-~]*")


class AlertNotDelivered(MilestonesError):
    """The webhook did not accept an alert. The message names its host only."""


class Webhook:
    """A Slack-compatible webhook; https for any host, plain http for loopback only. Raises WrongSetting.

    `session` comes from `pipelines.kalshi.transport.build_session`, and the caller closes it. Without one, each post
    opens a session for `network`. Redirects are not followed. `timeout_seconds` is for one attempt.
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
            raise WrongSetting(f"{WEBHOOK_VARIABLE} cannot be used ({fault}): give the https URL of a webhook")
        self._url = url
        self._session = session
        self._network = network or Network()
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"Webhook({self.host!r})"

    @classmethod
    def from_environment(cls) -> Webhook | None:
        """The webhook of `MILESTONES_WEBHOOK_URL`; None if it is not set. Raises WrongSetting."""
        url: str | None = setting("webhook_url")
        return cls(url, network=network()) if url else None

    @property
    def host(self) -> str:
        """Host and port, the only part that is not secret."""
        return urlsplit(self._url).netloc

    def post(self, text: str) -> None:
        """Post a text after `message_text` made it safe. Raises AlertNotDelivered.

        An alert may arrive twice, if a receiver accepted it but responded too late: better than not at all.
        """
        payload = json.dumps({"text": message_text(text)}).encode("ascii")
        fault = self._attempt(payload)
        attempts = 1
        while fault is not None and fault.is_worth_retrying and attempts < ATTEMPTS:
            self._sleep(PAUSE_SECONDS)
            fault = self._attempt(payload)
            attempts += 1
        if fault is not None:
            # Raised outside every `except`: the error of requests contains the whole URL, and would become the
            # `__context__`, which Dagster stores.
            times = f", {attempts} attempts" if attempts > 1 else ""
            raise AlertNotDelivered(
                f"the alert was not delivered to {self.host} ({fault.detail}{times}): check {WEBHOOK_VARIABLE}"
            )

    def _attempt(self, payload: bytes) -> _Fault | None:
        """Post once; None if it was accepted."""
        # Imported here: it takes a third of a second, and commands that only log do not need it.
        import requests  # noqa: PLC0415
        import urllib3  # noqa: PLC0415

        from pipelines.kalshi.status_codes import is_worth_retrying  # noqa: PLC0415
        from pipelines.kalshi.transport import build_session, root_cause  # noqa: PLC0415

        headers = {"Content-Type": "application/json", "User-Agent": "kalshi-milestones"}
        try:
            with (
                nullcontext(self._session) if self._session is not None else build_session(self._network) as session,
                # The body is not read: the status says everything.
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
            # Never str(error): it may contain the URL.
            detail = quoted(str(getattr(cause, "strerror", None) or type(cause).__name__))
            return _Fault(detail, is_worth_retrying=True)
        if status // 100 == 2:
            return None
        redirected = ", and redirects are not followed" if status // 100 == 3 else ""
        return _Fault(f"HTTP {status}{redirected}", is_worth_retrying(status))


class _Fault(NamedTuple):
    """Why an attempt failed, without the URL."""

    detail: str
    is_worth_retrying: bool


def run_failed_text(job: str, run_id: str, error: str) -> str:
    """The alert for a failed run, in one line."""
    return f"Run failed: {_name(job)} (run {_name(run_id)}): {_line(error, ERROR_CHARACTERS)}"


def check_failed_text(asset: str, check: str, severity: str, description: str) -> str:
    """The alert for a failed check, in one line."""
    return f"Check failed ({_name(severity)}): {_name(check)} of {_name(asset)}: {_line(description, ERROR_CHARACTERS)}"


def message_text(text: str, *, characters: int = TEXT_CHARACTERS) -> str:
    """The text to post: redacted, printable, escaped for Slack, without mentions, at most `characters` long."""
    # Redact first, as a truncated secret is not recognised; then truncate, to escape no more than is needed.
    truncated = redact(text).replace("\r\n", "\n")[: characters + 1]
    shown = "\n".join(map(printable, truncated.split("\n")))
    escaped = [_SLACK_ESCAPES.get(character, character) for character in _MENTION.sub("@\u200b", shown)]
    if sum(map(len, escaped)) <= characters:
        return "".join(escaped)
    kept, remaining = [], characters - len("...")
    for piece in escaped:
        remaining -= len(piece)
        if remaining < 0:
            break
        kept.append(piece)
    return "".join(kept) + "..."


def _name(text: str) -> str:
    return _line(text, NAME_CHARACTERS)


def _line(text: str, characters: int) -> str:
    """One printable, truncated line. Redacted first, as a truncated secret is not recognised."""
    return quoted(" ".join(redact(text).split()), characters=characters)


def _fault_of(url: str) -> str:
    """Why a URL is refused, without quoting it; "" if it is allowed."""
    # The rules for the API's base URL, except that a query is allowed: some services expect their key there.
    base, _, query = url.partition("?")
    if not _PLAIN_QUERY.fullmatch(query) or "#" in query:
        return "it has a fragment, or characters that no plain ASCII URL has"
    try:
        check_base_url(base)
    except BadBaseUrl as error:
        return error.detail
    return ""
