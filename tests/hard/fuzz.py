"""Mutated milestones through decoding, flattening and validation: none is lost, and what is accepted comes back whole.

Hypothesis draws the odd values and keys of a case; a seeded mutator puts them into generated milestones, removes and
renames fields, and damages the bytes of some pages.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, seed, settings

from pipelines.flatten.tables import flatten
from pipelines.flatten.validate import breaches, prove_validation_works
from pipelines.records.decode import Record, Refusal, UndecodablePage, decode_page
from sandbox.generate import generate_bodies
from schemas.tables import FLAT_TABLES, LATEST, MILESTONES
from tests.flatten.inverse import rebuild
from tests.hard.campaign import Campaign, Case, Judge, Totals, drawn
from tests.records.samples import encoded, in_order, page, parse, render, texts, values
from tests.support import NOON

RECORDS = 2_000
"""Records of one case."""
PAGE_ROWS = 250
BASES = 600
DRAWN = 100
DAMAGED = 0.1
"""The share of pages whose bytes are damaged."""
UNCHANGED = 0.1
PAGE_SECONDS_MAX = 1.0
TIMES = ("2026-01-01T00:00:00.5+01:00", "0001-01-01T00:00:00Z", "2026-12-31T23:59:60Z", "9999-12-31T23:59:59.999999Z")
PIECES = (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\\ud800", b"1e400", b"NaN", b"\xff", b"\0", b"null", b"0")
TEXT_FIELDS = ("category", "type", "title", "notification_message", "source_id")
TIME_FIELDS = ("start_date", "end_date")

Values = list[tuple[Any, str]]


@contextlib.contextmanager
def prepared(seed: int) -> Iterator[Judge]:
    """Generated milestones to mutate."""
    prove_validation_works()
    bases = [parse(body) for body in generate_bodies(BASES, seed, NOON)]
    yield functools.partial(_fuzzed, seed, bases)


def _fuzzed(seed: int, bases: list[dict[str, Any]], number: int) -> Case:
    draw = drawn(seed, "fuzz", number)
    odd = odd_values(f"{seed} {number}")
    case = Case(number, "records", counts=dict.fromkeys(_COUNTS, 0), peaks={"seconds": 0.0})
    for _ in range(RECORDS // PAGE_ROWS):
        sent = [mutated(base, draw, odd) for base in draw.sample(bases, PAGE_ROWS)]
        body = page(*map(encoded, sent))
        begun = time.process_time()
        if draw.random() < DAMAGED:
            _decode_damaged(damaged(body, draw), case)
        else:
            _judge_page(sent, body, case)
        took = time.process_time() - begun
        case.peaks["seconds"] = max(case.peaks["seconds"], took)
        if took > PAGE_SECONDS_MAX:
            case.faults.append(f"a page took {took:.2f} s")
    return case


_COUNTS = ("received", "accepted", "refused", "by rules", "repeated", "undecodable", "fields", "differing")


def odd_values(seed_text: str) -> Values:
    """Values and keys as hypothesis draws them, the same for the same seed."""
    found: Values = []

    @seed(seed_text)
    @settings(
        max_examples=DRAWN,
        database=None,
        derandomize=False,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(values, texts)
    def collect(value: Any, key: str) -> None:
        found.append((value, key))

    collect()
    return found


def mutated(base: dict[str, Any], draw: random.Random, odd: Values) -> dict[str, Any]:
    """A milestone, changed in none to three places at any depth."""
    record = copy.deepcopy(base)
    for _ in range(0 if draw.random() < UNCHANGED else draw.randint(1, 3)):
        node: Any = record
        while True:
            key = draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
            if not (isinstance(node[key], (dict, list)) and node[key] and draw.random() < 0.8):
                break
            node = node[key]
        value, name = copy.deepcopy(draw.choice(odd))
        match draw.choice(("replace", "remove", "add", "time", "add")):
            case "remove" if len(node) > 1:
                del node[key]
            case "add" if isinstance(node, dict):
                node[name] = value
            case "time":
                node[key] = draw.choice(TIMES)
            case _:
                node[key] = value
    return record


def damaged(body: bytes, draw: random.Random) -> bytes:
    """The bytes of a page, changed in one to three places."""
    data = bytearray(body)
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(data))
        data[place : place + draw.randint(0, 3)] = draw.choice(PIECES)
    return bytes(data)


def _decode_damaged(body: bytes, case: Case) -> None:
    """What was damaged is not known, so that only the sum is judged: pages are read whole or not at all."""
    case.counts["received"] += PAGE_ROWS
    try:
        found = decode_page(body)
    except UndecodablePage:
        case.counts["undecodable"] += PAGE_ROWS
        return
    except Exception as error:  # noqa: BLE001 - any other exception is what this looks for
        case.faults.append(f"{type(error).__name__}: {error}; page {body[:500]!r}")
        return
    accepted = sum(isinstance(item, Record) for item in found)
    case.counts["accepted"] += accepted
    case.counts["refused"] += len(found) - accepted
    # Damage may join or split records: what the page then holds is what counts.
    case.counts["received"] += len(found) - PAGE_ROWS


def _judge_page(sent: list[dict[str, Any]], body: bytes, case: Case) -> None:
    case.counts["received"] += len(sent)
    try:
        found = decode_page(body)
        tables, by_rules, repeated = flattened([item for item in found if isinstance(item, Record)])
    except Exception as error:  # noqa: BLE001 - any exception is what this looks for
        case.faults.append(f"{type(error).__name__}: {error}; page {body[:500]!r}")
        return
    if [item.position for item in found] != list(range(len(sent))):
        case.faults.append(f"{len(found)} of {len(sent)} records are accounted for")
    refused = sum(isinstance(item, Refusal) for item in found)
    kept = tables[MILESTONES.name].num_rows
    case.counts["refused"] += refused
    case.counts["by rules"] += by_rules
    case.counts["repeated"] += repeated
    case.counts["accepted"] += kept
    if kept + by_rules + repeated + refused != len(sent):
        case.faults.append(f"{kept} + {by_rules} + {repeated} + {refused} of {len(sent)} records")
    for original, item in zip(sent, found, strict=False):
        stored = item.text if isinstance(item, Record) else item.record
        if render(in_order(parse(stored))) != render(in_order(parse(render(original)))):
            case.faults.append(f"stored is {stored[:300]}, sent was {render(original)[:300]}")
    compare_tables(tables, {item.key: item.text for item in found if isinstance(item, Record)}, case)


def flattened(records: Iterable[Record]) -> tuple[dict[str, pa.Table], int, int]:
    """The tables of the records, without those that break a rule; how many break one, and how many repeat an id."""
    last = {record.key: record for record in records}
    count = len(last)
    given_ = list(records)
    columns: dict[str, list[Any]] = {
        "milestone_id": list(last),
        "version": [1] * count,
        "content_hash": [record.content_hash for record in last.values()],
        "last_updated_ts": [record.last_updated_ts for record in last.values()],
        "record": [record.text for record in last.values()],
        "first_seen_at": [NOON] * count,
        "last_changed_at": [NOON] * count,
        "vanished_at": [None] * count,
        "sweep_id": ["000001"] * count,
        "previous_record": [None] * count,
        "was_vanished_at": [None] * count,
    }
    tables = flatten(LATEST.from_columns(columns))
    broken = {
        tables[table.name]["milestone_id"][breach.row].as_py()
        for table in FLAT_TABLES
        for breach in breaches(table, tables[table.name])
    }
    if broken:
        tables = {
            name: table.filter(pa.array([one not in broken for one in table["milestone_id"].to_pylist()], pa.bool_()))
            for name, table in tables.items()
        }
    return tables, len(broken), len(given_) - count


def compare_tables(tables: dict[str, pa.Table], records: dict[str, str], case: Case) -> None:
    """Compare what the tables say with the records that they were made of, field by field."""
    details, events = defaultdict[str, list[Any]](list), defaultdict[str, list[Any]](list)
    for row in tables["milestone_details"].to_pylist():
        details[row["milestone_id"]].append((row["path"], row["kind"], row["value"]))
    for row in tables["milestone_events"].to_pylist():
        events[row["milestone_id"]].append(row)
    for row in tables[MILESTONES.name].to_pylist():
        key = row["milestone_id"]
        record = parse(records[key])
        pairs = [(name, record.get(name), row[name]) for name in TEXT_FIELDS]
        pairs += [(name, _time(record.get(name)), row[name]) for name in TIME_FIELDS]
        pairs += [
            (f"{kind}_event_tickers", set(record.get(f"{kind}_event_tickers") or ()), _tickers(events[key], kind))
            for kind in ("related", "primary")
        ]
        if record.get("details") is not None:
            pairs.append(("details", render(record["details"]), render(rebuild(details[key]))))
        for name, wanted, got in pairs:
            case.counts["fields"] += 1
            if wanted != got:
                case.counts["differing"] += 1
                case.faults.append(f"{name} is {str(got)[:200]}, not {str(wanted)[:200]}")


def _tickers(events: list[dict[str, Any]], kind: str) -> set[str]:
    return {event["event_ticker"] for event in events if event[f"is_{kind}"]}


def _time(text: str | None) -> datetime | None:
    """The time to the microsecond, read by the standard library; None for the zero time."""
    time_ = None if text is None else datetime.fromisoformat(text).astimezone(UTC)
    return None if time_ is None or time_.year == 1 else time_


def _summary(totals: Totals) -> str:
    counts = totals.counts
    refused = counts["refused"] + counts["by rules"]
    sums = counts["accepted"] + refused + counts["repeated"] + counts["undecodable"]
    return (
        f"{counts['received']:,} records = {counts['accepted']:,} accepted + {refused:,} refused + "
        f"{counts['repeated']:,} repeated + {counts['undecodable']:,} on unreadable pages"
        f"{'' if sums == counts['received'] else ', WHICH IS NOT THE SUM'}; {len(totals.faults)} faults; the slowest "
        f"page of {PAGE_ROWS} took {totals.peaks['seconds']:.2f} s. 7. {counts['fields'] - counts['differing']:,} of "
        f"{counts['fields']:,} fields came back from the tables as they were sent, times to the microsecond"
    )


FUZZ = Campaign(
    name="fuzz",
    title="6. Bad input, and 7. no silent loss",
    unit="records",
    cases=500,
    fewest=1,
    prepared=prepared,
    summary=_summary,
    bound="received",
)
