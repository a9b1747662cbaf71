"""Seeded random values for milestones: ids, names, chances. The same seed gives the same values."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


NAMES = words(
    "Abbott Alvarez Andersen Bajić Baker Banda Becker Björk Boateng Castro Chen Chukwu Costa Čech Dahl Diallo "
    "Dubois Duval Eriksen Fischer Fonseca García Gill Grant Gupta Haas Hashimoto Hoang Ibrahim Ito Ivanova Jansen "
    "Jović Kaya Khan Kim Kovač Laurent Lee Lindqvist López Łukaszewicz Mbeki Meyer Morales Moreau Müller Nakamura "
    "Ng Novák Okafor Olsen Öztürk Park Patel Pereira Petrov Quinn Ramos Reyes Rossi Sato Schmidt Şahin Silva "
    "Świątek Takahashi Torres Tran Usman Vargas Vega Virtanen Wagner Walsh Weber Yamada Yılmaz Žukov"
)
"""People."""

CITIES = words(
    "Aarhus Antalya Arequipa Austin Bergen Bilbao Boise Bordeaux Braga Brno Bursa Cádiz Cardiff Córdoba Curitiba "
    "Denver Dijon Dresden Durban Fresno Gdańsk Gijón Graz Harbin Helsinki Kobe Köln Kraków Leeds León Liège Lille "
    "Łódź Lyon Maine Malmö Memphis Metz Mérida Nagoya Natal Odessa Omaha Osaka Oslo Parma Perth Porto Québec "
    "Reno Rennes Rosario Salem Sapporo Sevilla Sofia Split Tampa Torino Tromsø Tulsa Utah Utrecht Wichita Zürich"
)
"""Names of teams."""

COMPANIES = words(
    "Acorn Boreal Cobalt Dovetail Ember Fathom Granite Harrow Indigo Juniper Kestrel Lantern Meridian Northwind "
    "Orchard Pinnacle Quarry Redwood Sable Tundra Umber Vantage Willow Xenon Yarrow Zephyr"
)
"""Invented companies, also used as names of shows."""

STATES = {
    "Arizona": "AZ",
    "Colorado": "CO",
    "Florida": "FL",
    "Georgia": "GA",
    "Idaho": "ID",
    "Iowa": "IA",
    "Kansas": "KS",
    "Maine": "ME",
    "Nevada": "NV",
    "Ohio": "OH",
    "Texas": "TX",
    "Vermont": "VT",
    "Wyoming": "WY",
}
"""Where races are held, with their postal codes."""

_LETTERS = str.maketrans("ŁłØøı", "LlOoi")
"""Letters that Unicode does not decompose into a base letter and a mark."""


class Entity(NamedTuple):
    """A structured target: what `*_team_id` and `*_competitor_id` point to."""

    id: str
    name: str

    @property
    def code(self) -> str:
        """Three capital letters of the name, as event tickers have them: ASCII only, so marks are left out."""
        plain = unicodedata.normalize("NFKD", self.name.translate(_LETTERS))
        return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())[:3].upper()


class Draw:
    """A seeded source of values. Not for secrets."""

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)  # noqa: S311 - reproducible data is the point
        self.chance_of = self.random.random
        self._bits = self.random.getrandbits

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.chance_of() < probability

    def below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1; quicker than randrange, evenly enough for made-up data."""
        return int(self.chance_of() * bound)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both possible."""
        return low + int(self.chance_of() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """A random choice."""
        return choices[int(self.chance_of() * len(choices))]

    def uuid(self, version: int = 4) -> str:
        """A lower-case UUID that says it is of this version."""
        text = f"{self._bits(128):032x}"
        variant = "89ab"[self._bits(2)]
        return f"{text[:8]}-{text[8:12]}-{version}{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"

    def uuids(self, count: int) -> list[str]:
        """`count` UUIDs."""
        return [self.uuid() for _ in range(count)]

    def entities(self, names: Sequence[str], count: int) -> list[Entity]:
        """The entities of a league; names may repeat, ids do not."""
        return [Entity(self.uuid(), names[at % len(names)]) for at in range(count)]

    def two(self, pool: Sequence[Entity]) -> tuple[Entity, Entity]:
        """Two entities of a pool with different ticker codes."""
        first = self.below(len(pool))
        step = 1 + self.below(len(pool) - 1)
        others = (pool[(first + step + further) % len(pool)] for further in range(len(pool)))
        return pool[first], next(other for other in others if other.code != pool[first].code)
