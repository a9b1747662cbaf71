"""All campaigns, in the order in which they run: the short ones first."""

from __future__ import annotations

from tests.hard.campaign import Campaign
from tests.hard.crash import DISK_FAULTS, KILLS
from tests.hard.crawls import CRAWLS
from tests.hard.flips import FLIPS, REUSES
from tests.hard.fuzz import FUZZ
from tests.hard.habits import REPEATS, WAYS
from tests.hard.memory import MEMORY
from tests.hard.publishes import PUBLISHES
from tests.hard.security import SECURITY
from tests.hard.transport import MANNERS, TRANSPORT

CAMPAIGNS: dict[str, Campaign] = {
    one.name: one
    for one in (
        *(TRANSPORT, MANNERS, CRAWLS, FLIPS, SECURITY, REPEATS, WAYS, MEMORY, FUZZ),
        *(REUSES, PUBLISHES, KILLS, DISK_FAULTS),
    )
}
