"""What is reported of an error of Spark, whose text is many lines of Java."""

from __future__ import annotations

import pytest

pytest.importorskip("pyspark", reason="needs the extra spark: run make test-spark")

from pipelines.spark.session import reason_of

GATEWAY = "An error occurred while calling None.org.apache.spark.api.java.JavaSparkContext.\n"
THROWN = ": org.apache.spark.SparkException: Could not parse Master URL: 'x'\n\tat org.apache.spark.SparkContext.x\n"
CAUSE = "Caused by: java.net.UnknownHostException: head\n\tat java.base/java.net.x\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GATEWAY + THROWN, "org.apache.spark.SparkException: Could not parse Master URL: 'x'"),
        (GATEWAY + THROWN + CAUSE, "java.net.UnknownHostException: head"),
        (GATEWAY + THROWN + "ValueError: no such type\n" + CAUSE, "ValueError: no such type"),
        ("[JAVA_GATEWAY_EXITED] Java gateway process exited\n", "[JAVA_GATEWAY_EXITED] Java gateway process exited"),
        ("", "RuntimeError"),
    ],
    ids=["thrown", "cause", "our Python", "one line", "nothing"],
)
def test_the_reason_is_the_line_that_says_most(text: str, reason: str) -> None:
    assert reason_of(RuntimeError(text)) == reason
