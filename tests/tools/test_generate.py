"""The generated documentation is what would be generated now."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pipelines.publish.views import view_texts
from pipelines.storage.home import Home
from tools.generate import (
    COMMANDS,
    COOKBOOK,
    DBT_SOURCES,
    DICTIONARY,
    README,
    SETTINGS,
    answered,
    commands,
    data_dictionary,
    dbt_sources,
    demo_home,
    settings,
    with_settings,
)

pytestmark = pytest.mark.slow

COOKBOOK_TEXT = COOKBOOK.read_text(encoding="utf-8")
QUESTIONS = 21
"""That users of milestones ask."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with demo_home() as made:
        yield made


SECTIONS = re.split(r"^(?=## )", COOKBOOK_TEXT, flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.splitlines()[0].removeprefix("## "))
def test_the_cookbooks_answers_are_what_the_queries_say(home: Home, section: str) -> None:
    assert answered(section, home) == section


def test_the_cookbook_answers_every_question() -> None:
    assert [section.split(".")[0] for section in SECTIONS] == [f"## {number}" for number in range(1, QUESTIONS + 1)]
    assert all("\n```\n\n| " in section for section in SECTIONS)


@pytest.mark.parametrize("name", sorted(view_texts()))
def test_every_view_is_in_the_cookbook(name: str) -> None:
    assert re.search(rf"^(from|.* from) {name}\b", COOKBOOK_TEXT, re.MULTILINE)


def test_the_data_dictionary_is_what_the_declarations_say(home: Home) -> None:
    assert DICTIONARY.read_text(encoding="utf-8") == data_dictionary(home)


def test_the_reference_of_the_commands_is_what_the_app_says() -> None:
    assert COMMANDS.read_text(encoding="utf-8") == commands()


@pytest.mark.parametrize(
    ("heading", "line"),
    [
        ("## milestones ingest", "* `--id STR...`: Fetch only this milestone; may be given several times."),
        ("### milestones quarantine retry", "* `--json`: Print the outcome as JSON."),
    ],
    ids=["command", "command-of-a-command"],
)
def test_commands_have_their_options_in_the_reference(heading: str, line: str) -> None:
    section = re.split(r"^#+ ", commands().split(heading + "\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    assert line in section.splitlines()


def test_the_page_of_the_settings_is_what_the_code_declares() -> None:
    assert SETTINGS.read_text(encoding="utf-8") == settings()


def test_the_dbt_sources_are_what_the_declarations_say(home: Home) -> None:
    assert DBT_SOURCES.read_text(encoding="utf-8") == dbt_sources(home)


def test_the_settings_in_the_readme_are_what_the_code_declares() -> None:
    readme = README.read_text(encoding="utf-8")
    assert with_settings(readme) == readme
    assert with_settings(readme.replace("| `500` |", "| `400` |")) == readme
    with pytest.raises(ValueError, match="must have one table"):
        with_settings(readme.replace("<!-- end of settings -->", ""))


ANSWERED = "Text.\n\n```sql\nselect 1 as a\n```\n\n| a |\n| --- |\n| 1 |\n\nMore.\n"


@pytest.mark.parametrize(
    "document",
    [ANSWERED, ANSWERED.replace("| 1 |", "| 2 |\n| 3 |"), "Text.\n\n```sql\nselect 1 as a\n```\n\nMore.\n"],
    ids=["right", "wrong", "none"],
)
def test_an_answer_replaces_what_stood_there(home: Home, document: str) -> None:
    assert answered(document, home) == ANSWERED


def test_a_document_without_questions_stays_as_it_is(home: Home) -> None:
    document = "Text.\n\n| a |\n| --- |\n\n```sh\nmilestones status\n```\n"
    assert answered(document, home) == document
