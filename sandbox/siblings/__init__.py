"""The objects that the API serves beside milestones: structured targets, events, series and live data.

They are computed from the milestones of a world: a target from its id and the titles, an event from its ticker and
milestone, live data from the milestone and the time. What is stored is small, and grows with edits alone.
"""

from __future__ import annotations

from sandbox.siblings.event_store import Events
from sandbox.siblings.live_store import LiveDatas
from sandbox.siblings.series_store import SeriesList
from sandbox.siblings.store import Source
from sandbox.siblings.target_store import Targets


class Siblings:
    """All of a world's sibling objects. `source` are the world's own rows."""

    def __init__(self, source: Source) -> None:
        self.targets = Targets(source)
        self.events = Events(source)
        self.series = SeriesList(source, self.events)
        self.live_datas = LiveDatas(source)
