"""Shared by the tests of Spark: a Java that starts fast."""

from __future__ import annotations

import os

# A job of a few rows ends before Java's second compiler pays off, and that compiler takes half of the time.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
