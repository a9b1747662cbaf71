"""The cases that have been run, kept on disk, so that an interrupted run resumes. One file of JSON lines a campaign.

The first line names the seed and the code; with another seed or other code the file begins again. Several processes
append to one file, a case with one write.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from tests.conftest import PROJECT
from tests.hard.campaign import Case

CODE = ("pipelines", "schemas", "sandbox", "bench", "tests/hard")
"""What a result depends on."""


class Head(msgspec.Struct, frozen=True):
    """What all cases of a file were run with."""

    seed: int
    code: str


def fingerprint() -> str:
    """A hash of the code under test and of the campaigns."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in CODE:
        for file in sorted((PROJECT / folder).rglob("*")):
            if file.suffix in (".py", ".sql", ".csv"):
                digest.update(f"{file.relative_to(PROJECT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


class Results:
    """The results of one campaign in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def begin(self, head: Head, *, is_fresh: bool = False) -> int:
        """Keep the cases that were run with the same seed and code, whole lines only; returns how many those are."""
        kept = [] if is_fresh else self.kept(head)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in (head, *kept)))
        return len(kept)

    def kept(self, head: Head) -> list[Case]:
        """The cases that were run with this seed and code."""
        return self.cases() if self._head() == head else []

    def add(self, case: Case) -> None:
        """Append a case."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, msgspec.json.encode(case) + b"\n")
        finally:
            os.close(descriptor)

    def cases(self) -> list[Case]:
        """The cases so far, each once; the line of a killed process may be cut and is left out."""
        found: dict[int, Case] = {}
        for line in self._lines()[1:]:
            try:
                case = msgspec.json.decode(line, type=Case)
            except msgspec.DecodeError:
                continue
            found[case.number] = case
        return list(found.values())

    def _head(self) -> Head | None:
        try:
            return msgspec.json.decode(self._lines()[0], type=Head)
        except (IndexError, msgspec.DecodeError):
            return None

    def _lines(self) -> list[bytes]:
        return self._file.read_bytes().splitlines() if self._file.exists() else []
