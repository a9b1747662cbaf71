"""The manifest lists every published file, and verify reports every difference from it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pipelines.errors import PublishedDiffers
from pipelines.publish.data_package import DATA_PACKAGE_FILE
from pipelines.publish.manifest import (
    MANIFEST_FILE,
    Manifest,
    PublishedFile,
    describe,
    is_as_published,
    published_sweep,
    sha256_of,
    verify,
)
from pipelines.publish.partitions import FIRST_DAY
from pipelines.publish.snapshot import publish
from pipelines.publish.summary import SUMMARY_FILE
from pipelines.storage.home import Home
from pipelines.warehouse.database import open_warehouse
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import SCHEMA_VERSION
from tests.support import NOON, Shell, copied, milestone, serving_shells

TYPED = "details_football_game"
"""The typed table of the only type that `support.milestone` makes."""
TABLES = [*(table.name for table in PUBLISHED_TABLES), TYPED]
KINDS = ["milestones.duckdb", SUMMARY_FILE, DATA_PACKAGE_FILE, *(f"{table}/part-000.parquet" for table in TABLES)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("published"), [milestone(number) for number in range(1, 4)])
        shell.sweep()
        shell.stages.publish()
    return shell


@pytest.fixture
def home(published: Shell, tmp_path: Path) -> Home:
    """A copy to damage."""
    shutil.copytree(published.home.published, tmp_path / "published", symlinks=True)
    return Home(tmp_path)


def file_of(home: Home, kind: str) -> Path:
    return home.published / kind if kind.endswith(".duckdb") else home.latest_snapshot.resolve() / kind


@pytest.mark.slow
def test_the_manifest_lists_every_file(published: Shell) -> None:
    home = published.home
    manifest = Manifest.read(home.latest_snapshot)
    assert manifest.snapshot == home.latest_snapshot.resolve().name
    assert (manifest.schema_version, manifest.sweep_id) == (
        SCHEMA_VERSION,
        published.value("SELECT sweep_id FROM sweeps"),
    )
    assert [file.table for file in manifest.files] == [*TABLES, None, None, None]
    for file in manifest.files:
        data = (home.published / file.path).read_bytes()
        assert file.bytes == len(data), file.path
        assert file.sha256 == hashlib.sha256(data).hexdigest(), file.path
        if file.table:
            assert file.path == f"parquet/{manifest.snapshot}/{file.table}/part-000.parquet"
            assert file.rows == published.value(f'SELECT count(*) FROM "{file.table}"'), file.path
    assert manifest.files[-1].path == "milestones.duckdb"
    on_disk = {
        str(path.relative_to(home.published))
        for path in home.published.rglob("*.*")
        if path.is_file() and not path.is_symlink() and home.latest_snapshot not in path.parents
    }
    assert on_disk == {file.path for file in manifest.files} | {f"parquet/{manifest.snapshot}/{MANIFEST_FILE}"}


def test_the_manifest_is_plain_json(published: Shell) -> None:
    text = json.loads((published.home.latest_snapshot / MANIFEST_FILE).read_text(encoding="utf-8"))
    assert text.keys() == {
        "snapshot",
        "schema_version",
        "created_at",
        "sweep_id",
        "files",
        "ranges",
        "versions",
        "checksum",
    }
    assert text["files"][0].keys() == {"path", "table", "rows", "bytes", "sha256"}
    assert text["created_at"].startswith("2026-11-23T12:00:00.")
    assert text["created_at"].endswith("Z")


def test_an_intact_snapshot_is_verified(home: Home) -> None:
    verified = verify(home)
    assert verified.differences == []
    assert verified.files == len(KINDS)
    assert verified.bytes == sum(file_of(home, kind).stat().st_size for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0], ids=["first", "middle", "last"])
def test_a_flipped_bit_is_named(home: Home, kind: str, place: float) -> None:
    file = file_of(home, kind)
    data = bytearray(file.read_bytes())
    data[round(place * (len(data) - 1))] ^= 1
    file.write_bytes(bytes(data))
    # Under its real name, not through the link `latest`.
    assert verify(home).differences == [f"{file} differs from its manifest"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_is_named(home: Home, kind: str) -> None:
    file_of(home, kind).unlink()
    assert verify(home).differences == [f"{file_of(home, kind)} is missing"]


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: data[:-1]], ids=["longer", "shorter"])
def test_a_changed_length_is_named(home: Home, change: Callable[[bytes], bytes]) -> None:
    file = file_of(home, "sweeps/part-000.parquet")
    file.write_bytes(change(file.read_bytes()))
    assert verify(home).differences == [f"{file} differs from its manifest"]


def test_every_difference_is_named(home: Home) -> None:
    for kind in KINDS[:3]:
        file_of(home, kind).write_bytes(b"")
    assert sorted(verify(home).differences) == sorted(
        f"{file_of(home, kind)} differs from its manifest" for kind in KINDS[:3]
    )


def test_verifying_without_a_snapshot_raises(tmp_path: Path) -> None:
    with pytest.raises(PublishedDiffers) as caught:
        verify(Home(tmp_path))
    assert str(caught.value) == f"nothing is published in {tmp_path / 'published'}: run milestones ingest first"


def test_a_missing_manifest_raises(home: Home) -> None:
    (home.latest_snapshot / MANIFEST_FILE).unlink()
    with pytest.raises(PublishedDiffers, match=rf"{MANIFEST_FILE} is missing: publish again"):
        verify(home)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"null", b"[]", b'{"snapshot": "x"}', b"\xff"],
    ids=["empty", "cut", "null", "list", "part", "bytes"],
)
def test_a_damaged_manifest_raises(home: Home, text: bytes) -> None:
    (home.latest_snapshot.resolve() / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(PublishedDiffers, match=rf"{MANIFEST_FILE} is damaged \(.*\): publish again") as caught:
        verify(home)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    ["sha256", "rows", "bytes"],
)
def test_a_wrong_field_in_the_manifest_is_detected(home: Home, key: str) -> None:
    file = home.latest_snapshot.resolve() / MANIFEST_FILE
    manifest = json.loads(file.read_bytes())
    entry = manifest["files"][0]
    entry[key] = "0" * 64 if key == "sha256" else entry[key] + 1
    file.write_text(json.dumps(manifest))
    with pytest.raises(PublishedDiffers, match="its checksum differs"):
        verify(home)
    # As earlier versions wrote it, without a checksum of its own.
    file.write_text(json.dumps(manifest | {"checksum": ""}))
    assert verify(home).differences == [f"{home.published / entry['path']} differs from its manifest"]


def test_every_flipped_bit_of_a_manifest_is_detected() -> None:
    files = [PublishedFile("parquet/one/milestones/part-000.parquet", "milestones", 3, 4_096, "ab" * 32)]
    manifest = Manifest("one", SCHEMA_VERSION, NOON, None, files, (FIRST_DAY,), {"series": ""}).sealed()
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    assert Manifest.decode(text, MANIFEST_FILE) == manifest
    for place in range(len(text)):
        for bit in range(8):
            damaged = bytearray(text)
            damaged[place] ^= 1 << bit
            # In the name of the checksum, or a time with z instead of Z: values that are right with text that is not.
            with pytest.raises(PublishedDiffers, match="is damaged"):
                Manifest.decode(bytes(damaged), MANIFEST_FILE)


def test_describe_gives_size_and_sha256(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert sha256_of(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    described = describe(file, path="there/file", table="sweeps", rows=7)
    assert (described.path, described.table, described.rows, described.bytes) == ("there/file", "sweeps", 7, 3)
    assert described.sha256 == sha256_of(file)


def test_a_file_is_as_published_with_its_size_and_checksum_only(home: Home) -> None:
    entry = next(file for file in Manifest.read(home.latest_snapshot).files if file.table == "milestones")
    assert is_as_published(home, entry)
    assert not is_as_published(home, replace(entry, bytes=entry.bytes + 1))
    assert not is_as_published(home, replace(entry, sha256="0" * 64))
    (home.published / entry.path).unlink()
    assert not is_as_published(home, entry)


def test_the_published_sweep_is_that_of_the_manifest(published: Shell, tmp_path: Path) -> None:
    assert published_sweep(published.home) == published.value("SELECT sweep_id FROM sweeps")
    assert published_sweep(Home(tmp_path)) is None


@pytest.fixture
def whole_home(published: Shell, tmp_path: Path) -> Home:
    """A copy to publish in, published."""
    home = copied(published.home, tmp_path / "whole")
    publish(home, now=NOON)
    return home


def in_the_middle(act: Callable[[], object]) -> Callable[[Path], str]:
    """Hashes files; before the first one something happens to what is published."""
    has_acted = False

    def hash_file(path: Path) -> str:
        nonlocal has_acted
        if not has_acted:
            has_acted = True
            act()
        return sha256_of(path)

    return hash_file


def publish_another(home: Home) -> None:
    """Something else than before: only then do files differ."""
    with open_warehouse(home.warehouse_file) as connection:
        connection.execute("UPDATE milestones SET title = title || '!'")
    publish(home, now=NOON)


@pytest.mark.slow
def test_a_publish_during_verification_is_no_difference(whole_home: Home) -> None:
    before = verify(whole_home).snapshot
    found = verify(whole_home, hash_file=in_the_middle(lambda: publish_another(whole_home)))
    assert found.differences == []
    assert found.snapshot > before


@pytest.mark.slow
def test_a_removal_during_verification_is_no_difference(whole_home: Home) -> None:
    def publish_and_prune() -> None:
        old = whole_home.latest_snapshot.resolve()
        publish_another(whole_home)
        shutil.rmtree(old)

    assert verify(whole_home, hash_file=in_the_middle(publish_and_prune)).differences == []


@pytest.mark.slow
def test_files_that_change_at_every_attempt_raise(whole_home: Home) -> None:
    def hash_file(path: Path) -> str:
        if path == whole_home.published_duckdb:
            publish_another(whole_home)
        return "0"

    with pytest.raises(PublishedDiffers) as caught:
        verify(whole_home, hash_file=hash_file)
    assert str(caught.value) == (
        f"{whole_home.published} changed 5 times during the verification: run milestones verify again"
    )


def test_damage_is_named_even_if_a_publish_ran(home: Home) -> None:
    file = file_of(home, KINDS[2])
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()
    file.write_bytes(content)
    assert verify(home).differences == [f"{file} differs from its manifest"]


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_bit_in_the_manifest_is_detected_or_harmless(home: Home, place: float) -> None:
    file = home.latest_snapshot.resolve() / MANIFEST_FILE
    whole, before = file.read_bytes(), Manifest.read(home.latest_snapshot)
    for bit in range(8):
        content = bytearray(whole)
        content[int(len(content) * place)] ^= 1 << bit
        file.write_bytes(content)
        try:
            assert Manifest.read(home.latest_snapshot) == before
        except PublishedDiffers as error:
            assert MANIFEST_FILE in str(error)  # noqa: PT017 - either outcome is right
