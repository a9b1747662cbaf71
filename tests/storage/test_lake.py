from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipelines.errors import LakeObjectMissing, LakeUnusable, WrongSetting
from pipelines.storage.lake import CHUNK_BYTES, Lake, LakeAddress
from tests.lakes import BOTH, KEY_ID, SECRET, Server


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("s3://kalshi-data", LakeAddress("kalshi-data", "kalshi-data"), id="bucket"),
        pytest.param("s3://kalshi/a/b c/", LakeAddress("kalshi", "kalshi/a/b c"), id="prefix"),
        pytest.param("file:///mnt/lake%20one", LakeAddress(None, "/mnt/lake one"), id="file URL"),
        pytest.param("file://localhost/mnt", LakeAddress(None, "/mnt"), id="file URL of this host"),
        pytest.param("/mnt/lake", LakeAddress(None, "/mnt/lake"), id="folder"),
    ],
)
def test_a_lake_is_a_bucket_or_a_folder(text: str, address: LakeAddress) -> None:
    assert LakeAddress.parse(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("gs://bucket/a", "has the scheme 'gs'", id="another store"),
        pytest.param("s3://", "names no valid bucket", id="no bucket"),
        pytest.param(f"s3://{KEY_ID}:{SECRET}@bucket/a", "credentials belong into AWS_ACCESS_KEY_ID", id="credentials"),
        pytest.param("s3://bucket/a/../b", "unusable prefix", id="dots"),
        pytest.param("s3://bucket/a?region=x", "unusable prefix", id="query"),
        pytest.param("file://host/a", "file URL with a host", id="file of a host"),
        pytest.param("~nobody-here/lake", "no such user", id="unknown user"),
    ],
)
def test_another_address_is_refused_without_its_credentials(text: str, reason: str) -> None:
    with pytest.raises(WrongSetting, match=reason) as raised:
        LakeAddress.parse(text)
    assert SECRET not in str(raised.value)


@BOTH
def test_what_is_written_can_be_read_listed_copied_and_removed(lake: Lake, tmp_path: Path) -> None:
    lake.check()
    content = b"0123456789" * (CHUNK_BYTES // 8)
    sha256 = hashlib.sha256(content).hexdigest()
    (file := tmp_path / "file").write_bytes(content)

    assert lake.upload("a/b=1/large", file) == sha256
    lake.write("a/small", b"old")
    lake.write("a/small", b"new")
    lake.copy("a/small", "c/copy")

    assert lake.read("a/small") == lake.read("c/copy") == b"new"
    assert lake.sha256_of("a/b=1/large") == sha256
    assert lake.download("a/b=1/large", tmp_path / "below" / "back") == sha256
    assert (tmp_path / "below" / "back").read_bytes() == content
    assert lake.sizes() == {"a/b=1/large": len(content), "a/small": 3, "c/copy": 3}
    assert lake.sizes("a") == lake.below("a").sizes() == {"b=1/large": len(content), "small": 3}
    assert sorted(lake.folders()) == ["a", "c"]
    assert lake.folders("nothing") == [] == list(lake.sizes("nothing"))

    lake.remove("a/small")
    lake.remove_folder("c")
    lake.remove_folder("c")
    assert lake.sizes() == {"a/b=1/large": len(content)}
    assert lake.folders() == ["a"]


@BOTH
def test_a_copy_keeps_its_content_when_the_original_is_replaced(lake: Lake) -> None:
    lake.write("a", b"one")
    lake.copy("a", "b")
    lake.write("a", b"two")

    assert lake.read("b") == b"one"


@BOTH
@pytest.mark.parametrize("read", ["read", "sha256_of", "remove", "copy"])
def test_a_vanished_object_is_named(lake: Lake, read: str) -> None:
    with pytest.raises(LakeObjectMissing) as raised:
        getattr(lake, read)(*(("raw/page", "other") if read == "copy" else ("raw/page",)))
    assert str(raised.value) == f"{lake}/raw/page is missing: was it removed, or MILESTONES_LAKE changed?"


def test_a_missing_bucket_is_one_line(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.open(LakeAddress.parse("s3://no-such-bucket/a"), s3.environment)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    for use in (lake.check, lambda: lake.write("a", b"1")):
        with pytest.raises(LakeUnusable, match=r"^there is no bucket no-such-bucket: create it, or correct MILE"):
            use()


def test_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    lake = Lake.open(LakeAddress.parse(str(tmp_path / "unmounted")))
    with pytest.raises(LakeUnusable, match=r"^there is no folder .*unmounted: create it"):
        lake.check()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"a file where a folder should be")
    with pytest.raises(LakeUnusable, match=r"^cannot read or write .*/raw/page \(.*\): make .* a writable folder"):
        Lake.open(LakeAddress.parse(str(tmp_path))).write("raw/page", b"1")


def test_an_unreachable_endpoint_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    # Port 9 (discard) has no server on any machine that the tests run on.
    lake = Lake.open(LakeAddress.parse("s3://bucket/a"), {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"})
    with pytest.raises(LakeUnusable, match=r"^cannot reach s3://bucket/a: check the network, AWS_ENDPOINT_URL"):
        lake.check()


def test_an_endpoint_without_a_scheme_is_refused() -> None:
    with pytest.raises(WrongSetting, match="AWS_ENDPOINT_URL is no address"):
        Lake.open(LakeAddress.parse("s3://bucket"), {"AWS_ENDPOINT_URL": "minio:9000"})
