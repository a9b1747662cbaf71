"""Reads the commands that a document shows."""

from __future__ import annotations

import re
import shlex

ASSIGNMENT = re.compile(r"[A-Z][A-Z_]*=.*")
_SHELL = re.compile(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def command_lines(document: str) -> list[list[str]]:
    """Every command of every shell block as words, variables before it left out."""
    found = []
    for block in _SHELL.findall(document):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            while words and ASSIGNMENT.fullmatch(words[0]):
                words = words[1:]
            if words:
                found.append(words)
    return found


def commands_of(program: str, *documents: str) -> list[list[str]]:
    """The arguments of each different call of a program."""
    lines = (words for document in documents for words in command_lines(document))
    unique = dict.fromkeys(tuple(words[1:]) for words in lines if words[0] == program)
    return [list(words) for words in unique]
