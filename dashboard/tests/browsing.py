"""Starts the dashboard as a user does, and drives it with a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from .publishing import PIPELINE

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REFRESH_SECONDS = 0.5
PATIENCE_MS = 60_000
"""Only a failure waits this long; a busy machine may need a large part of it."""
ZONE = "America/New_York"
PROBES = ("_stcore/health", "_stcore/host-config")
"""Streamlit's page probes for its server below the first address, and gets a 404 there."""

expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str | None:
    """The path of the system's browser, or None."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@contextmanager
def dashboard(home: Path) -> Iterator[str]:
    """Runs `milestones dashboard` for a home; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "MILESTONES_HOME": str(home),
        "MILESTONES_DASHBOARD_REFRESH_SECONDS": str(REFRESH_SECONDS),
    }
    command = [str(PIPELINE / "milestones"), "dashboard", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "URL:" in line:
                    break
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def browsing(executable: str) -> Iterator[Browser]:
    """A browser with a new profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Viewer:
    """A window with the dashboard, and all errors that occurred in it."""

    page: Page
    base_url: str
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, context: BrowserContext, base_url: str) -> Viewer:
        viewer = cls(context.new_page(), base_url)
        page = viewer.page
        # The response of a failed request has its address; the console message does not.
        page.on("console", lambda said: viewer._note(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: viewer._note(str(error)))
        page.on(
            "response", lambda answer: viewer._note(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((base_url, "data:", "blob:"))
                else viewer._note(f"requested {request.url}")
            ),
        )
        return viewer

    def _note(self, fault: str) -> None:
        if not fault.endswith(PROBES) and "status of 404" not in fault:
            self.faults.append(fault)

    def open(self, path: str = "", heading: str = "Now") -> Viewer:
        """Open a page and wait until it is complete."""
        self.page.goto(f"{self.base_url}/{path}")
        expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        self.settled()
        return self

    def settled(self) -> None:
        """Wait until the page has finished its run."""
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()

    def cells(self) -> Locator:
        """The cells of the tables, as a screen reader finds them."""
        return self.page.locator("[data-testid=stDataFrame] [role=gridcell]")

    def expect_cell(self, text: str) -> None:
        expect(self.cells().filter(has_text=text).first).to_be_attached()

    def expect_no_cell(self, text: str) -> None:
        expect(self.cells().filter(has_text=text)).to_have_count(0)

    def headers(self) -> Locator:
        """The column headers of the tables."""
        return self.page.locator("[data-testid=stDataFrame] [role=columnheader]")

    def click_first_row(self, *, table: int = 0) -> None:
        """Click the first row of a table, by its number on the page.

        The table is a canvas below a scrolling layer: the click goes to the position of the row.
        """
        canvas = self.page.get_by_test_id("stDataFrame").nth(table).locator("canvas").first
        canvas.click(position={"x": 15, "y": 48}, force=True)

    def choose(self, label: str, option: str) -> None:
        """Pick one option of a filter."""
        box = self.page.get_by_role("combobox", name=label, exact=True)
        box.click()
        self.page.get_by_role("option", name=option, exact=True).click()
        box.press("Escape")

    def fill(self, label: str, text: str) -> None:
        box = self.page.get_by_role("textbox", name=label, exact=True)
        box.fill(text)
        box.press("Enter")

    def exceptions(self) -> Locator:
        """Streamlit's exception boxes."""
        return self.page.get_by_test_id("stException")
