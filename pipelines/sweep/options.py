"""The options of a sweep as they are given, on the command line or in Dagster's run configuration, checked together.

Both have the same fields, so that what one of them refuses the other refuses in the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pipelines.errors import WrongUse
from pipelines.sweep.request import SweepRequest

FILTERS = ("category", "type", "event", "source_id", "competition", "since", "until")
"""The options that limit a sweep to some milestones."""


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Which sweep to run; `SweepRequest` says what each option means. Times are text in ISO 8601, UTC by default."""

    mode: Literal["auto", "full", "incremental", "retry"] = "auto"
    ids: tuple[str, ...] = ()
    category: str | None = None
    type: str | None = None
    event: str | None = None
    source_id: str | None = None
    competition: str | None = None
    since: str | None = None
    until: str | None = None
    max_pages: int | None = None
    allow_shrink: bool = False
    start_anew: bool = False

    def given_filters(self) -> list[str]:
        """The names of the filters that are given."""
        return [name for name in FILTERS if getattr(self, name) is not None]

    def config(self) -> dict[str, Any]:
        """The run configuration of Dagster with these options."""
        return asdict(self) | {"ids": list(self.ids)}

    def request(self, spelled: Callable[[str], str] = str) -> SweepRequest:
        """The checked request. `spelled` gives the name of an option for messages. Raises WrongUse."""
        self._check_texts(spelled)
        self._check_combination(spelled)
        since = None if self.since is None else _parse_time(self.since)
        until = None if self.until is None else _parse_time(self.until)
        if since and until and until <= since:
            raise WrongUse(
                f"{spelled('until')} {self.until} is not after {spelled('since')} {self.since}: no milestone starts "
                "between them"
            )
        return SweepRequest(**asdict(self) | {"ids": tuple(dict.fromkeys(self.ids)), "since": since, "until": until})

    def _check_texts(self, spelled: Callable[[str], str]) -> None:
        texts = [(name, getattr(self, name)) for name in FILTERS if name not in ("since", "until")]
        for name, text in (*texts, *(("ids", one) for one in self.ids)):
            if text is not None and not text.strip():
                raise WrongUse(f"{spelled(name)} is empty: give a value, or leave it out")

    def _check_combination(self, spelled: Callable[[str], str]) -> None:
        others = self.given_filters()
        if self.ids:
            others += ["max_pages"] if self.max_pages is not None else []
            others += ["mode"] if self.mode != "auto" else []
            chosen, why = "ids", "names single milestones"
        elif self.mode != "auto":
            others += ["max_pages"] if self.max_pages is not None and self.mode == "retry" else []
            chosen, why = "mode", f"chooses {_CHOSEN[self.mode]}"
        else:
            return
        if others:
            raise WrongUse(f"{spelled(chosen)} {why}: leave {_listed(list(map(spelled, others)))} out")


_CHOSEN = {"full": "every milestone", "incremental": "what was updated", "retry": "the quarantine"}


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z") from error
