"""What a check found, and how checks run: each is isolated, so that a broken part hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pipelines.errors import MilestonesError
from pipelines.kalshi.errors import KalshiError

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of the report. `advice` says what to do; it is empty where all is well."""

    name: str
    level: Level
    text: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def run_checks(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Run every check. What a check raises is a finding with its name."""
    for name, check in checks:
        try:
            found = list(check())
        except (MilestonesError, KalshiError) as error:
            # These say themselves what to do.
            found = [Finding(name, "error", str(error))]
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            found = [Finding(name, "error", f"cannot read{where}: {error.strerror or error}", "check its permissions")]
        except Exception as error:  # noqa: BLE001 - whatever is broken, the other checks are still worth running
            text = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
            found = [
                Finding(name, "error", f"cannot be checked ({text})", "see docs/operations.md, When something fails")
            ]
        yield from found
