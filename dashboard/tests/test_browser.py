"""The dashboard in a real browser: it shows the current publish, and data as plain text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from . import screenshots
from .browsing import ZONE, Viewer, browsing, chromium, dashboard
from .known import ATTACK, HOSTILE, KINGS, LATER, LIVE, SOON, TWIN, UNKNOWN, row
from .publishing import PROJECT, Publisher, number, publishing, team

PAGES = {"": "Now", "events": "Events", "changes": "Changes", "coverage": "Coverage", "health": "Health"}
PUBLISHES = 12
"""`python -m bench.dashboard` publishes 200 times."""

View = Callable[..., Viewer]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        reason = "no Chromium: install Debian's package chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with browsing(executable) as opened:
        yield opened


@pytest.fixture(scope="module")
def known_url(known: Publisher) -> Iterator[str]:
    with dashboard(known.home) as url:
        yield url


@pytest.fixture(scope="module")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard(tmp_path_factory.mktemp("empty")) as url:
        yield url


@pytest.fixture(scope="module")
def milestones_only_url(milestones_only: Publisher) -> Iterator[str]:
    with dashboard(milestones_only.home) as url:
        yield url


@pytest.fixture
def own_url(tmp_path: Path) -> Iterator[str]:
    with dashboard(tmp_path) as url:
        yield url


@pytest.fixture
def own_publisher(tmp_path: Path) -> Iterator[Publisher]:
    with publishing(tmp_path) as publisher:
        yield publisher


@pytest.fixture
def view(browser: Browser, request: pytest.FixtureRequest) -> Iterator[View]:
    """Opens windows; at the end, none may have recorded an error."""
    # Windows are closed before their server; otherwise they report a lost connection.
    if "own_url" in request.fixturenames:
        request.getfixturevalue("own_url")
    opened: list[Viewer] = []

    def window(base_url: str, **options: Any) -> Viewer:
        context = browser.new_context(timezone_id=ZONE, **({"viewport": {"width": 1280, "height": 900}} | options))
        opened.append(Viewer.of(context, base_url))
        return opened[-1]

    yield window
    for viewer in opened:
        viewer.page.context.close()
    assert [viewer.faults for viewer in opened] == [[]] * len(opened)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES, ids=PAGES.values())
def test_every_page_loads_from_its_own_address(view: View, known_url: str, path: str, scheme: str) -> None:
    viewer = view(known_url, color_scheme=scheme).open(path, PAGES[path])
    expect(viewer.exceptions()).to_have_count(0)
    ground = viewer.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 20, 32)"}[scheme]


def test_a_new_page_gets_its_charts_when_the_figures_are_drawn(view: View, known_url: str) -> None:
    viewer = view(known_url)
    held: list[Route] = []
    requested: list[str] = []
    viewer.page.on("request", lambda request: requested.append(request.url))

    def hold(route: Route) -> None:
        held.append(route)

    # Streamlit's part that reports that the browser draws.
    viewer.page.route("**/BidiComponent.*.js", hold)
    viewer.open()
    expect(viewer.page.get_by_test_id("stMetricValue").first).to_be_visible()
    assert not [url for url in requested if "VegaLite" in url]
    expect(viewer.page.locator(".marks")).to_have_count(0)
    held[0].continue_()
    expect(viewer.page.locator(".marks").nth(1)).to_be_visible()


def test_a_browser_that_never_reports_gets_its_charts_with_the_next_choice(view: View, known_url: str) -> None:
    viewer = view(known_url)
    viewer.page.route("**/BidiComponent.*.js", lambda _: None)
    viewer.open()
    expect(viewer.page.get_by_test_id("stMetricValue").first).to_be_visible()
    expect(viewer.page.locator(".marks")).to_have_count(0)
    viewer.page.get_by_text("24 h", exact=True).click()
    expect(viewer.page.locator(".marks").nth(1)).to_be_visible()


def test_every_page_is_linked_from_the_first(view: View, known_url: str) -> None:
    viewer = view(known_url).open()
    for path, heading in PAGES.items():
        viewer.page.get_by_role("link", name=heading, exact=True).click()
        expect(viewer.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(viewer.page).to_have_url(f"{known_url}/{path}")


@pytest.mark.parametrize(
    ("path", "heading"),
    [*PAGES.items(), ("events?event=KXMAIN-1", "Events"), (f"?milestone={number(LATER)}", "Milestone")],
    ids=[*PAGES.values(), "event", "milestone"],
)
def test_a_narrow_window_needs_no_horizontal_scrolling(view: View, known_url: str, path: str, heading: str) -> None:
    viewer = view(known_url, viewport={"width": 390, "height": 800}).open(path, heading)
    width = viewer.page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert width <= 390


def test_titles_are_shown_as_plain_text(view: View, known_url: str) -> None:
    viewer = view(known_url).open()
    viewer.expect_cell(HOSTILE)
    # On the time line, which is an SVG.
    expect(viewer.page.locator("svg text", has_text="onerror").first).to_be_attached()
    for path, heading in (("events?event=KXEVENT-7", "Events"), (f"?milestone={number(ATTACK)}", "Milestone")):
        viewer.open(path, heading)
        expect(viewer.page.get_by_test_id("stText").get_by_text(HOSTILE, exact=True).first).to_be_visible()
    assert viewer.page.evaluate("window.hacked") is None
    assert viewer.page.locator("img[src=x]").count() == 0


def test_names_are_shown_as_plain_text(view: View, known_url: str) -> None:
    viewer = view(known_url).open(f"?milestone={number(ATTACK)}", "Milestone")
    expect(viewer.headers().filter(has_text="Name")).to_have_count(1)
    viewer.expect_cell(HOSTILE)
    viewer.open("events", "Events")
    expect(viewer.headers().filter(has_text="Event title")).to_have_count(1)
    expect(viewer.headers().filter(has_text="Participants")).to_have_count(1)
    viewer.expect_cell(HOSTILE)
    viewer.open("events?event=KXEVENT-7", "Events")
    expect(viewer.page.get_by_test_id("stText").get_by_text(f"Sub title: {HOSTILE}")).to_be_visible()
    assert viewer.page.evaluate("window.hacked") is None
    assert viewer.page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(
    ("narrow", "shown", "hidden"),
    [
        (lambda viewer: viewer.choose("Category", "Esports"), "Later", "Twin"),
        (lambda viewer: viewer.choose("Type", "esports_match"), "Later", "Twin"),
        (lambda viewer: viewer.choose("League", "LoL"), "Later", "Twin"),
        (lambda viewer: viewer.fill("Search", "twi"), "Twin", "Later"),
        (lambda viewer: viewer.fill("Search", "krakow"), "Twin", "Later"),
        (lambda viewer: viewer.page.get_by_text("12 h", exact=True).click(), "Twin", "Later"),
    ],
    ids=["category", "type", "league", "search", "name", "hours"],
)
def test_filters_of_now(view: View, known_url: str, narrow: Callable[[Viewer], None], shown: str, hidden: str) -> None:
    viewer = view(known_url).open()
    viewer.expect_cell(shown)
    viewer.expect_cell(hidden)
    narrow(viewer)
    viewer.expect_no_cell(hidden)
    viewer.expect_cell(shown)
    # The address keeps the filters: a reload shows the same.
    viewer.page.reload()
    viewer.expect_cell(shown)
    viewer.expect_no_cell(hidden)


def test_filters_without_a_match_show_a_message(view: View, known_url: str) -> None:
    viewer = view(known_url).open("?search=unknown")
    expect(viewer.page.get_by_text("Nothing matches these filters.")).to_be_visible()


def test_filters_of_changes(view: View, known_url: str) -> None:
    viewer = view(known_url).open("changes", "Changes")
    viewer.expect_cell("+45 min")
    viewer.choose("Change of", "title")
    viewer.expect_no_cell("+45 min")
    viewer.expect_cell("Soon, at another time")


def test_tick_labels_are_unique_if_all_changes_are_in_one_minute(view: View, known_url: str) -> None:
    viewer = view(known_url).open("changes", "Changes")
    labels = viewer.page.locator("svg.marks").first.locator(".role-axis-label text", has_text=re.compile(r"^\d\d:\d\d"))
    expect(labels.first).to_be_attached()
    found = labels.all_text_contents()
    assert len(set(found)) == len(found)


def test_filters_of_coverage(view: View, known_url: str) -> None:
    viewer = view(known_url).open("coverage", "Coverage")
    viewer.expect_cell("football_game")
    viewer.choose("Category", "Esports")
    viewer.expect_no_cell("football_game")
    viewer.expect_cell("esports_match")


def test_an_event_is_found_by_part_of_its_ticker(view: View, known_url: str) -> None:
    viewer = view(known_url).open("events", "Events")
    viewer.fill("Event", "shared")
    viewer.expect_cell("KXSHARED")
    viewer.fill("Event", "KXSHARED")
    expect(viewer.page.get_by_text("No start of its own")).to_be_visible()
    expect(viewer.page.get_by_text("Best start")).to_have_count(0)
    expect(viewer.page.get_by_text("starts 1 h 15 min apart").first).to_be_visible()
    viewer.expect_cell("+45 min")


def test_an_event_is_found_by_words_of_a_title(view: View, known_url: str) -> None:
    viewer = view(known_url).open("events", "Events")
    viewer.fill("Event", "another soon")
    viewer.expect_cell("KXEVENT-3")
    viewer.expect_no_cell("KXMAIN-1")


def test_an_event_is_found_by_the_name_of_a_participant(view: View, known_url: str) -> None:
    viewer = view(known_url).open("events", "Events")
    viewer.fill("Event", "lodz")
    viewer.expect_cell("KXMAIN-1")
    viewer.expect_cell("Lions at Kings")
    viewer.expect_cell("Kraków Kings, Łódź Lions")
    viewer.expect_no_cell("KXSHARED")


def test_an_event_has_titles_a_series_and_a_competition(view: View, known_url: str) -> None:
    viewer = view(known_url).open("events?event=KXMAIN-1", "Events")
    texts = viewer.page.get_by_test_id("stText")
    expect(texts.get_by_text("Lions at Kings", exact=True)).to_be_visible()
    for line in ("Sub title: LOD at KRA", "Series: Main games – KXMAIN", "Competition: National league (Game)"):
        expect(texts.filter(has_text=line)).to_be_visible()
    viewer.expect_cell("Kraków Kings, Łódź Lions")


def test_an_event_that_no_milestone_names(view: View, known_url: str) -> None:
    viewer = view(known_url).open("events?event=KXALONE", "Events")
    expect(viewer.page.get_by_test_id("stText").get_by_text("An event alone", exact=True)).to_be_visible()
    expect(viewer.page.get_by_text("No milestone names this event.")).to_be_visible()


def test_now_has_participants_and_scores(view: View, known_url: str) -> None:
    viewer = view(known_url).open("?search=live")
    for cell in ("7 – 3.5", "inprogress", "Kraków Kings, Łódź Lions"):
        viewer.expect_cell(cell)
    expect(viewer.headers().filter(has_text="Observed New York")).to_have_count(1)


def test_the_tooltip_of_a_bar_has_participants_and_score(view: View, known_url: str) -> None:
    viewer = view(known_url, viewport={"width": 1280, "height": 1600}).open("?search=live")
    bar = viewer.page.locator("svg.marks").nth(1).locator(".mark-rect path").first
    bar.hover(force=True)
    tooltip = viewer.page.locator("#vg-tooltip-element")
    expect(tooltip).to_contain_text("Kraków Kings, Łódź Lions")
    expect(tooltip).to_contain_text("7 – 3.5")
    # A fresh page: a chart that is drawn again keeps the tooltip of the old one until the mouse moves.
    viewer.open("?search=onerror")
    bar.hover(force=True)
    expect(tooltip).to_contain_text(f"participants{HOSTILE}")
    assert viewer.page.evaluate("window.hacked") is None
    assert viewer.page.locator("img[src=x]").count() == 0


def test_a_milestone_has_participants_and_live_data(view: View, known_url: str) -> None:
    viewer = view(known_url).open(f"?milestone={number(LIVE)}", "Milestone")
    for cell in ("home", "Kraków Kings", "KRA", team(KINGS), "away", "Łódź Lions", "Lions at Kings"):
        viewer.expect_cell(cell)
    for line in ("Score: 7 – 3.5", "Live status: inprogress (live)", "Observed: "):
        expect(viewer.page.get_by_test_id("stText").filter(has_text=line)).to_be_visible()


def test_unknown_participants_of_a_milestone_are_marked(view: View, known_url: str) -> None:
    viewer = view(known_url).open(f"?milestone={number(TWIN)}", "Milestone")
    viewer.expect_cell(team(UNKNOWN))
    viewer.expect_cell("unknown: Kalshi did not return it")


@pytest.mark.parametrize(
    ("path", "heading", "cell"),
    [
        ("", "Now", "Live game"),
        ("events", "Events", "KXEVENT-3"),
        ("events?event=KXMAIN-1", "Events", "Live game"),
        (f"?milestone={number(LIVE)}", "Milestone", "unknown: not fetched yet, or refused"),
    ],
    ids=["Now", "Events", "event", "milestone"],
)
def test_without_other_endpoints_their_columns_are_left_out(
    view: View, milestones_only_url: str, path: str, heading: str, cell: str
) -> None:
    viewer = view(milestones_only_url).open(path, heading)
    viewer.expect_cell(cell)
    for name in ("Participants", "Event title", "Title", "Score", "Live status", "Observed", "Abbreviation"):
        expect(viewer.headers().get_by_text(name)).to_have_count(0)
    expect(viewer.page.get_by_test_id("stText").filter(has_text=re.compile("Score|Series|Sub title"))).to_have_count(0)
    expect(viewer.exceptions()).to_have_count(0)


def expect_milestone(viewer: Viewer, title: str) -> None:
    expect(viewer.page.get_by_role("heading", name="Milestone", exact=True)).to_be_visible()
    expect(viewer.page.get_by_test_id("stText").get_by_text(title, exact=True)).to_be_visible()


@pytest.mark.parametrize("path", ["", "changes"], ids=["Now", "Changes"])
def test_a_link_to_a_milestone_opens_it_on_every_page(view: View, known_url: str, path: str) -> None:
    viewer = view(known_url).open(f"{path}?milestone={number(SOON)}", "Milestone")
    expect_milestone(viewer, "Soon, at another time")
    viewer.expect_cell("KXEVENT-3")
    viewer.expect_cell("+45 min")
    viewer.page.get_by_role("button", name="Back to").click()
    expect(viewer.page.get_by_role("heading", name=PAGES[path], exact=True)).to_be_visible()
    expect(viewer.page).not_to_have_url(re.compile("milestone="))


def test_a_link_to_an_unknown_milestone_shows_a_message(view: View, known_url: str) -> None:
    viewer = view(known_url).open("?milestone=unknown", "Milestone")
    expect(viewer.page.get_by_text("No milestone has this id.")).to_be_visible()


def test_a_row_of_now_opens_its_milestone_and_back_keeps_the_filters(view: View, known_url: str) -> None:
    viewer = view(known_url).open("?search=live")
    viewer.expect_cell("Live game")
    viewer.click_first_row()
    expect_milestone(viewer, "Live game")
    expect(viewer.page).to_have_url(re.compile(f"milestone={number(LIVE)}"))
    viewer.page.get_by_role("button", name="Back to Now").click()
    viewer.expect_cell("Live game")
    viewer.expect_no_cell("Twin")
    expect(viewer.page).to_have_url(f"{known_url}/?search=live")
    # The clicked row can be clicked again.
    viewer.click_first_row()
    expect_milestone(viewer, "Live game")


def test_a_milestone_links_to_its_event(view: View, known_url: str) -> None:
    viewer = view(known_url).open(f"?milestone={number(LIVE)}", "Milestone")
    viewer.expect_cell("KXMAIN-1")
    # Below its participants.
    viewer.click_first_row(table=1)
    expect(viewer.page.get_by_role("heading", name="Events", exact=True)).to_be_visible()
    expect(viewer.page).to_have_url(f"{known_url}/events?event=KXMAIN-1")


@pytest.mark.parametrize("mark", ["path", "text"])
def test_a_bar_of_the_time_line_and_its_title_open_the_milestone(view: View, known_url: str, mark: str) -> None:
    viewer = view(known_url, viewport={"width": 1280, "height": 1600}).open("?search=twin")
    viewer.expect_cell("Twin")
    line = viewer.page.locator("svg.marks").nth(1)
    found = {"path": line.locator(".mark-rect path").first, "text": line.locator("text", has_text="Twin").first}
    found[mark].click(force=True)
    expect_milestone(viewer, "Twin")


def test_the_zone_applies_to_time_columns_and_is_in_the_address(view: View, known_url: str) -> None:
    viewer = view(known_url).open("events?event=KXMAIN-1", "Events")
    expect(viewer.page.get_by_role("heading", name="UTC · ")).to_contain_text("New York")
    starts = viewer.headers().filter(has_text="Start ")
    times = starts.filter(has_not_text="tentative")
    expect(times).to_have_text(["Start New York"])
    viewer.page.get_by_text("UTC", exact=True).click()
    expect(times).to_have_text(["Start UTC"])
    expect(viewer.page).to_have_url(re.compile("zone=UTC"))
    viewer.page.reload()
    expect(times).to_have_text(["Start UTC"])
    viewer.page.get_by_role("link", name="Now", exact=True).click()
    expect(times).to_have_text(["Start UTC"])


def test_the_start_is_visible_next_to_the_title_on_a_phone(view: View, known_url: str) -> None:
    viewer = view(known_url, viewport={"width": 390, "height": 800}).open()
    expect(viewer.headers().nth(1)).to_have_text("Start New York")


@pytest.mark.parametrize("path", PAGES, ids=PAGES.values())
def test_without_a_publish_pages_show_the_command_to_run(view: View, empty_url: str, path: str) -> None:
    viewer = view(empty_url).open(path, PAGES[path])
    expect(viewer.page.get_by_text("Nothing is published at")).to_be_visible()
    expect(viewer.page.get_by_text("milestones ingest", exact=True)).to_be_visible()


def test_a_publish_appears_without_a_reload(view: View, own_url: str, own_publisher: Publisher) -> None:
    viewer = view(own_url)
    viewer.page.goto(own_url)
    expect(viewer.page.get_by_text("Nothing is published at")).to_be_visible()
    own_publisher.milestones(row(LATER, "First title", 3))
    viewer.expect_cell("First title")
    own_publisher.milestones(row(LATER, "Second title", 3))
    viewer.expect_cell("Second title")
    viewer.expect_no_cell("First title")
    expect(viewer.exceptions()).to_have_count(0)


def test_publishes_and_an_open_dashboard_do_not_disturb_each_other(
    view: View, own_url: str, own_publisher: Publisher
) -> None:
    own_publisher.milestones(row(LATER, "Watched", 3))
    viewers = [view(own_url).open(path, heading) for path, heading in PAGES.items()]
    own_publisher.publish(PUBLISHES)
    own_publisher.milestones(row(LATER, "Watched to the end", 3))
    viewers[0].expect_cell("Watched to the end")
    for viewer in viewers:
        viewer.settled()
        expect(viewer.exceptions()).to_have_count(0)
        expect(viewer.page.get_by_text("cannot be read")).to_have_count(0)


def test_the_pictures_of_the_documentation_can_be_taken_again(
    browser: Browser, known: Publisher, known_url: str, tmp_path: Path
) -> None:
    assert screenshots.take(browser, known_url, known.file, tmp_path) == []
    kept = {path.name: path for path in (PROJECT / "docs" / "images").glob("dashboard-*.png")}
    taken = {path.name: path for path in tmp_path.iterdir()}
    assert taken.keys() == kept.keys()
    for name, path in taken.items():
        with Image.open(path) as picture, Image.open(kept[name]) as documented:
            assert picture.size == documented.size
