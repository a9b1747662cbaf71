"""Check of the lake, with a few requests: it answers, and what its newest snapshot is. It writes nothing there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines.doctor.findings import Finding
from pipelines.errors import MilestonesError
from pipelines.publish.lake import check_not_ahead, read_pointer
from pipelines.publish.take_up import is_empty
from pipelines.settings import setting
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake, LakeAddress


def check_lake(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the lake can be read, and whether this home may publish there; nothing without a lake."""
    if not (text := setting("lake", environment)):
        return
    try:
        lake = Lake.open(LakeAddress.parse(text), environment)
        lake.check()
        pointer = read_pointer(lake)
        home = Home.from_environment(environment)
        if not is_empty(home):
            check_not_ahead(home, lake, pointer)
    except MilestonesError as error:
        yield Finding("lake", "error", str(error))
        return
    newest = f"the newest snapshot is {pointer.snapshot}" if pointer else "nothing is published there yet"
    yield Finding("lake", "ok", f"{lake} answers; {newest}")
