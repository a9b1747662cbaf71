"""Takes the documentation's pictures of the dashboard: `python -m tests.screenshots HOME FOLDER`."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, expect

from board.published import reading

from .browsing import Viewer, browsing, chromium, dashboard

WIDTH = 1280
COLOURS = 128
"""Of a palette: a quarter of the bytes, and the text looks the same."""

_LIVE = "select milestone_id from live_milestones where home_score is not null order by home_score desc, title limit 1"
_MOVED = """
    select event_ticker from reschedules join milestone_events using (milestone_id)
    where is_primary order by version desc, seen_at desc, event_ticker limit 1
"""


class Picture(NamedTuple):
    """A page of the dashboard: its address, its heading, and how much of it is shown, in pixels."""

    path: str
    heading: str
    height: int


def pictures(file: Path) -> dict[str, Picture]:
    """The pictures by file name, for a published file with a live game and a move."""
    with reading(file) as connection:
        (live,), (moved,) = (connection.execute(query).fetchall()[0] for query in (_LIVE, _MOVED))
    return {
        "dashboard-now.png": Picture("", "Now", 1400),
        "dashboard-milestone.png": Picture(f"?milestone={live}", "Milestone", 900),
        "dashboard-event.png": Picture(f"events?event={moved}", "Events", 1000),
        "dashboard-changes.png": Picture("changes", "Changes", 900),
    }


def take(browser: Browser, url: str, file: Path, folder: Path) -> list[str]:
    """Take every picture into the folder; returns the errors that the pages reported."""
    context = browser.new_context(timezone_id="UTC", color_scheme="light")
    viewer = Viewer.of(context, url)
    for name, picture in pictures(file).items():
        viewer.page.set_viewport_size({"width": WIDTH, "height": picture.height})
        viewer.open(picture.path, picture.heading)
        expect(viewer.cells().first).to_be_attached()
        # The tables and charts load parts of their own after the page's run.
        viewer.page.wait_for_load_state("networkidle")
        taken = Image.open(io.BytesIO(viewer.page.screenshot(animations="disabled")))
        taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(folder / name, optimize=True)
    context.close()
    return viewer.faults


def main(home: Path, folder: Path) -> None:
    """Take the pictures of a home."""
    executable = chromium()
    if executable is None:
        sys.exit("no Chromium: install Debian's package chromium")
    with dashboard(home) as url, browsing(executable) as browser:
        if faults := take(browser, url, home / "published" / "milestones.duckdb", folder):
            sys.exit("\n".join(faults))


if __name__ == "__main__":
    main(*(Path(argument).absolute() for argument in sys.argv[1:]))
