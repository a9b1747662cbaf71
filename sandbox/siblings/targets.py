"""A structured target as a function of its id and of what milestones tell about it. Pure."""

from __future__ import annotations

from sandbox.draw import NAMES, Entity, words
from sandbox.rfc3339 import MICROS, format_micros
from sandbox.siblings.chance import happens, number_of, pick_of, uuid_of
from sandbox.siblings.index import Known
from schemas.api import JsonObject

FIELD_ABSENT_SHARE = 0.01
"""Share of targets that lack a field, by field; all are optional."""
ID_ABSENT_SHARE = 0.001
SHORTENED_SHARE = 0.03
"""Share of teams whose name has one letter of the nickname behind it ("Chicago C")."""
INITIAL_SHARE = 0.005
"""Share of teams whose name is the first letter of the nickname ("A's")."""
SOURCE_IDS_SHARE = 0.3

OLDEST_UPDATE_MICROS = 1_715_212_800 * MICROS
"""2024-05-09."""
_UPDATES_MICROS = 500 * 86_400 * MICROS

OPTIONAL = ("details", "last_updated_ts", "name", "source_id", "type")

GIVEN_NAMES = words(
    "Ada Ben Chloé Dario Elif Femi Günther Hana Inés Jonas Kaito Léa Mateo Noor Óscar Priya Quentin Rosa Søren Tomás "
    "Uma Viktor Wren Xavier Yara Zoë"
)
NICKNAMES = words("Anchors Badgers Comets Drifters Embers Foxes Gulls Herons Islanders Jackals Kites Lynxes Mariners")
COUNTRIES = words("ARG AUS BEL BRA CAN CZE ESP EST FRA GBR GER JPN NGA NOR POL SRB TUR USA")
COUNTRY_NAMES = ("ESTONIA", "FRANCE", "JAPAN", "SOUTH AFRICA", "SPAIN", "UNITED STATES")
"""Golf's provider spells them out."""

_COUNTRY_TEAMS = frozenset({"soccer_team", "cricket_team", "rugby_team"})
_SPORTRADAR = frozenset({"soccer_team", "tennis_competitor", "table_tennis_competitor", "ufc_competitor"})
_GENDERS = ("male", "female")


def target_of(target_id: str, known: Known, now_micros: int) -> JsonObject:
    """The target, some of its fields left out. `now_micros` is in microseconds since 1970: no update is later."""
    name = name_of(target_id, known)
    updated = OLDEST_UPDATE_MICROS + number_of(target_id, "updated") % _UPDATES_MICROS
    target = {
        "details": _details(target_id, known, name),
        "id": target_id,
        "last_updated_ts": format_micros(min(updated, now_micros)),
        "name": name,
        "source_id": _source_id(target_id, known.type),
        "type": known.type,
    }
    if happens(target_id, "source ids", SOURCE_IDS_SHARE):
        target["source_ids"] = {"source_3_id": target["source_id"]} if happens(target_id, "filled", 0.7) else {}
    absent = {one for one in OPTIONAL if happens(target_id, f"no {one}", FIELD_ABSENT_SHARE)}
    if happens(target_id, "no id", ID_ABSENT_SHARE):
        absent.add("id")
    return {key: value for key, value in target.items() if key not in absent}


def name_of(target_id: str, known: Known) -> str:
    """The name in a title, for few teams a short form of it; made from the id if no title has one."""
    if known.name is None:
        if _is_person(known.type):
            return f"{pick_of(target_id, 'given name', GIVEN_NAMES)} {pick_of(target_id, 'family name', NAMES)}"
        return f"{pick_of(target_id, 'family name', NAMES)} {pick_of(target_id, 'nickname', NICKNAMES)}"
    if known.type.endswith("_team"):
        initial = pick_of(target_id, "nickname", NICKNAMES)[0]
        if happens(target_id, "short name", INITIAL_SHARE):
            return f"{initial}'s"
        if happens(target_id, "short name", INITIAL_SHARE + SHORTENED_SHARE):
            return f"{known.name} {initial}"
    return known.name


def _is_person(target_type: str) -> bool:
    return target_type.endswith(("competitor", "candidate", "artist"))


def _details(target_id: str, known: Known, name: str) -> JsonObject:
    code = Entity(target_id, known.name or name).code
    if known.type in _COUNTRY_TEAMS:
        country, gender = pick_of(target_id, "country", COUNTRIES), pick_of(target_id, "gender", _GENDERS)
        return {"abbreviation": code, "country": country, "gender": gender, "short_name": known.name or name}
    if known.type == "esports_team":
        return {"abbreviation": code, "game": known.competition}
    if known.type.endswith("_team"):
        return _team(target_id, known, name, code)
    return _person(target_id, known, name, code) if _is_person(known.type) else {}


def _team(target_id: str, known: Known, name: str, code: str) -> JsonObject:
    team: JsonObject = {
        "abbreviation": code,
        "conference": pick_of(target_id, "conference", ("EAST", "NORTH", "SOUTH", "WEST")),
        "league": known.competition,
        "market": known.name or name,
        "team_name": pick_of(target_id, "nickname", NICKNAMES),
    }
    if known.type == "basketball_team":
        team["season_standings"] = [_standing(target_id)]
    return team


def _standing(target_id: str) -> JsonObject:
    wins = number_of(target_id, "wins") % 40
    standing = {
        f"{part}{result}": value
        for part in ("", "conference_", "division_", "home_", "road_")
        for result, value in (("wins", wins // (2 if part else 1)), ("losses", (40 - wins) // (2 if part else 1)))
    }
    return standing | {"rank": {"clinched": "", "conference": "", "division": ""}, "season_type": "REG", "year": 2025}


def _person(target_id: str, known: Known, name: str, code: str) -> JsonObject:
    last = name.rpartition(" ")[2] if known.name is None else name
    person = {"first_name": pick_of(target_id, "given name", GIVEN_NAMES), "last_name": last}
    if known.type == "political_candidate":
        return person | {"party": pick_of(target_id, "party", ("D", "I", "R"))}
    if known.type == "golf_competitor":
        return person | {"country": pick_of(target_id, "country", COUNTRY_NAMES)}
    person |= {"abbreviation": code, "country": pick_of(target_id, "country", COUNTRIES)}
    person["gender"] = pick_of(target_id, "gender", _GENDERS)
    if known.type == "ufc_competitor":
        person["record"] = f"{number_of(target_id, 'wins') % 30}-{number_of(target_id, 'losses') % 12}-0"
    return person


def _source_id(target_id: str, target_type: str) -> str:
    if target_type in _SPORTRADAR:
        return f"sr:competitor:{number_of(target_id, 'source') % 1_000_000}"
    return target_id if target_type == "golf_competitor" else uuid_of(target_id, "source")
