"""The address of PostgreSQL is checked before Dagster uses it, and a server that does not answer is one line."""

from __future__ import annotations

import pytest

pytest.importorskip("dagster_celery", reason="needs the extra cluster: run make test-cluster")

from pipelines.cluster.postgres import PostgresUnusable, check_postgres, postgres_url
from pipelines.errors import WrongSetting


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://u:secret-word@h/d",
        "postgresql+psycopg://u:secret-word@h/d",
        "postgresql+psycopg2://u:secret-word@h:PORT/d",
    ],
    ids=["unset", "no driver", "another driver", "no port"],
)
def test_only_an_address_with_psycopg2_is_accepted(url: str) -> None:
    with pytest.raises(WrongSetting, match=r"give postgresql\+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE") as refused:
        postgres_url({"MILESTONES_POSTGRES_URL": url})
    assert "secret-word" not in str(refused.value)


def test_a_server_that_does_not_answer_is_one_line_with_its_address() -> None:
    with pytest.raises(PostgresUnusable, match=r'"127\.0\.0\.1", port 1 .*: check that it runs') as refused:
        check_postgres("postgresql+psycopg2://u:secret-word@127.0.0.1:1/d")
    assert "\n" not in str(refused.value)
    assert "secret-word" not in str(refused.value)
