"""What the linter refuses and what the locks hold: rules that only matter on the day someone breaks them."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

REFUSED = {
    "S102": "exec(text)",
    "S301": "pickle.loads(text)",
    "S307": "eval(text)",
    "S501": "requests.get(text, verify=False, timeout=1)",
    "S506": "yaml.load(text)",
    "S602": "subprocess.run(text, shell=True, check=True)",
    "S605": "os.system(text)",
}
LOCKS = sorted(
    str(path.relative_to(PROJECT))
    for folder in (PROJECT / "requirements", PROJECT / "dashboard" / "requirements")
    for path in folder.rglob("*.txt")
)


@pytest.mark.slow
def test_the_linter_refuses_what_would_run_data() -> None:
    text = "import os, pickle, requests, subprocess, yaml\ndef run(text):\n"
    text += "".join(f"    {statement}\n" for statement in REFUSED.values())
    for place in ("pipelines", "sandbox", "schemas", "tests", "tools", "bench"):
        command = [sys.executable, "-m", "ruff", "check", "--output-format", "json", "--no-cache"]
        done = subprocess.run(
            [*command, "--stdin-filename", f"{place}/given.py", "-"],
            cwd=PROJECT,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert REFUSED.keys() <= {found["code"] for found in json.loads(done.stdout)}, place


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_one_version_and_a_hash(lock: str) -> None:
    text = (PROJECT / lock).read_text(encoding="utf-8")
    packages = re.findall(r"^[A-Za-z0-9].*(?:\n[ ]+--hash=.*)*", text, re.MULTILINE)
    assert packages
    assert [one.splitlines()[0] for one in packages if "==" not in one or "--hash=sha256:" not in one] == []


def test_the_http_library_is_one_that_bounds_what_it_decompresses() -> None:
    """urllib3 before 2.6 decompressed any number of nested encodings, without a bound."""
    text = (PROJECT / "requirements" / "lowest" / "runtime.txt").read_text(encoding="utf-8")
    locked = (PROJECT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    for lock in (text, locked):
        (version,) = re.findall(r"^urllib3==(\d+)\.(\d+)", lock, re.MULTILINE)
        assert tuple(map(int, version)) >= (2, 6)
