"""The lake (MILESTONES_LAKE): a bucket of S3, or a folder, with a copy of landed pages and of published snapshots.

What is written here is the home's, file by file and under the same names: `raw/<sweep>/...`, `published/parquet/...`.
An object is written as a whole or not at all. Which of them belong together is told by files that are written last:
`sweep.json` of a sweep, the manifest and the pointer of a snapshot. Paths are relative and have `/`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pipelines.errors import LakeObjectMissing, LakeUnusable, WrongSetting
from pipelines.escaping import printable
from pipelines.storage.durable import copy_file, sync, write_durably
from pipelines.storage.home import expanded

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

LAKE_VARIABLE = "MILESTONES_LAKE"

RAW, SNAPSHOTS = "raw", "published/parquet"
"""The folders of a lake, named like those of a home."""

CHUNK_BYTES = 4 << 20
"""How much of a file is in memory while it is copied."""

_GIVE = "give s3://BUCKET/PREFIX, or the path of a folder"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", re.ASCII)
_AWS_ERROR = re.compile(r"AWS Error ([A-Z_]+)", re.ASCII)
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|TOKEN|UNRECOGNIZED_CLIENT|CREDENTIALS|code: 40[13]\b"
)


@dataclass(frozen=True)
class LakeAddress:
    """Where a lake is: a bucket and a prefix in it, or a folder (`bucket` is then None)."""

    bucket: str | None
    path: str

    @classmethod
    def parse(cls, text: str) -> LakeAddress:
        """Parse the value of MILESTONES_LAKE. Raises WrongSetting, which quotes no credentials."""
        scheme, separator, _ = text.partition("://")
        if not separator:
            return cls(None, str(expanded(text).absolute()))
        if scheme == "file":
            url = urlsplit(text)
            if url.netloc not in ("", "localhost") or not url.path.startswith("/"):
                raise WrongSetting(f"{LAKE_VARIABLE} is a file URL with a host: {_GIVE}")
            return cls(None, unquote(url.path))
        if scheme != "s3":
            raise WrongSetting(f"{LAKE_VARIABLE} has the scheme {printable(scheme)[:20]!r}: {_GIVE}")
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket):
            # The text may hold a key: some tools take s3://KEY:SECRET@BUCKET.
            raise WrongSetting(
                f"{LAKE_VARIABLE} names no valid bucket: {_GIVE}; credentials belong into AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or into a profile"
            )
        if re.search(r"[?#]|//|(^|/)\.\.?(/|$)", prefix):
            raise WrongSetting(f"{LAKE_VARIABLE} has an unusable prefix ({printable(prefix)[:40]!r}): {_GIVE}")
        return cls(bucket, "/".join(filter(None, (bucket, prefix.strip("/")))))

    def __str__(self) -> str:
        return f"s3://{self.path}" if self.bucket else self.path


class Lake:
    """A lake, or a folder of one. All methods raise LakeUnusable; those that read, LakeObjectMissing."""

    def __init__(self, address: LakeAddress, filesystem: FileSystem) -> None:
        self.address = address
        self._filesystem = filesystem

    @classmethod
    def open(cls, address: LakeAddress, environment: Mapping[str, str] = os.environ) -> Lake:
        """Open a lake; sends no request. Region, endpoint and credentials come from AWS's own variables and files."""
        # Arrow takes a while to load, and few commands use a lake.
        from pyarrow.fs import LocalFileSystem  # noqa: PLC0415

        return cls(address, _s3(environment) if address.bucket else LocalFileSystem())

    def __str__(self) -> str:
        return str(self.address)

    def below(self, folder: str) -> Lake:
        """A folder of this lake, as a lake."""
        return Lake(LakeAddress(self.address.bucket, f"{self.address.path}/{folder}"), self._filesystem)

    def check(self) -> None:
        """Check that the bucket or the folder exists and answers. An unmounted folder must not be filled instead."""
        from pyarrow.fs import FileType  # noqa: PLC0415

        with self._explained():
            found = self._filesystem.get_file_info(self.address.bucket or self.address.path)
        if found.type != FileType.Directory:
            what = f"bucket {self.address.bucket}" if self.address.bucket else f"folder {self.address.path}"
            raise LakeUnusable(f"there is no {what}: create it, or correct {LAKE_VARIABLE}")

    def write(self, name: str, content: bytes) -> None:
        """Write an object; one that is there is replaced."""
        self._put(name, (content,))

    def upload(self, name: str, file: Path) -> str:
        """Copy a file into the lake; the sha256 of what was copied, in hexadecimal."""
        digest = hashlib.sha256()
        with file.open("rb") as opened:
            self._put(name, _hashed(opened, digest))
        return digest.hexdigest()

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the lake: a bucket copies it itself, a folder gets a hard link where it can."""
        if self.address.bucket:
            with self._explained(source):
                self._filesystem.copy_file(self._path(source), self._path(target))
            return
        with self._explained(source):
            write_durably(Path(self._path(target)), lambda path: _link(Path(self._path(source)), path))

    def read(self, name: str) -> bytes:
        """The content of an object."""
        return b"".join(self._chunks(name))

    def sha256_of(self, name: str) -> str:
        """The sha256 of an object in hexadecimal; all of it is read."""
        digest = hashlib.sha256()
        for chunk in self._chunks(name):
            digest.update(chunk)
        return digest.hexdigest()

    def download(self, name: str, file: Path) -> str:
        """Copy an object into a file, atomically; the sha256 of what was copied, in hexadecimal."""
        digest = hashlib.sha256()

        def fetch(path: Path) -> None:
            with path.open("wb") as opened:
                for chunk in self._chunks(name):
                    digest.update(chunk)
                    opened.write(chunk)

        write_durably(file, fetch)
        return digest.hexdigest()

    def sizes(self, folder: str = "") -> dict[str, int]:
        """The objects below a folder, with their bytes, by their path below it; none if it does not exist."""
        return {path: info.size for path, info in self._listed(folder, recursive=True) if info.is_file}

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder."""
        return [path for path, info in self._listed(folder, recursive=False) if not info.is_file]

    def remove(self, name: str) -> None:
        """Remove an object."""
        with self._explained(name):
            self._filesystem.delete_file(self._path(name))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all that is in it. A folder that was removed in the meantime is no error."""
        with self._explained(folder):
            try:
                self._filesystem.delete_dir(self._path(folder))
            except FileNotFoundError:
                return

    def _put(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._path(name)
        with self._explained(name):
            if self.address.bucket:
                with self._filesystem.open_output_stream(path) as stream:
                    _write(stream, chunks)
            else:
                write_durably(Path(path), lambda temporary: _write_file(temporary, chunks))

    def _chunks(self, name: str) -> Iterator[bytes]:
        with self._explained(name), self._filesystem.open_input_stream(self._path(name)) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk

    def _listed(self, folder: str, *, recursive: bool) -> Iterator[tuple[str, Any]]:
        from pyarrow.fs import FileSelector  # noqa: PLC0415

        root = self._path(folder) if folder else self.address.path
        with self._explained(folder):
            found = self._filesystem.get_file_info(FileSelector(root, allow_not_found=True, recursive=recursive))
        # A bucket has empty objects with a slash at the end, which stand for folders.
        return ((info.path.removeprefix(root).strip("/"), info) for info in found)

    def _path(self, name: str) -> str:
        return f"{self.address.path}/{name}"

    @contextmanager
    def _explained(self, name: str = "") -> Iterator[None]:
        """Turn errors of Arrow and of the operating system into one line that names the object."""
        where = f"{self}/{name}" if name else str(self)
        try:
            yield
        except FileNotFoundError as error:
            raise LakeObjectMissing(f"{where} is missing: was it removed, or {LAKE_VARIABLE} changed?") from error
        except OSError as error:
            raise self._explanation(where, error) from error

    def _explanation(self, where: str, error: OSError) -> LakeUnusable:
        text = str(error)
        found = _AWS_ERROR.search(text)
        code = found[1] if found else ""
        if code in ("NO_SUCH_KEY", "RESOURCE_NOT_FOUND"):
            return LakeObjectMissing(f"{where} is missing: was it removed, or {LAKE_VARIABLE} changed?")
        if code == "NO_SUCH_BUCKET":
            return LakeUnusable(f"there is no bucket {self.address.bucket}: create it, or correct {LAKE_VARIABLE}")
        if code == "NETWORK_CONNECTION":
            return LakeUnusable(f"cannot reach {where}: check the network, AWS_ENDPOINT_URL and AWS_REGION")
        if found and _REFUSED.search(text):
            return LakeUnusable(
                f"the credentials for {where} were refused ({code}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or AWS_PROFILE, of a user who may list, read, write and delete there"
            )
        if error.errno is not None and not self.address.bucket:
            return LakeUnusable(
                f"cannot read or write {where} ({os.strerror(error.errno)}): make {self} a writable folder with free "
                "space"
            )
        return LakeUnusable(f"cannot read or write {where} ({printable(text)[:300]}): try again, or check the bucket")


def _s3(environment: Mapping[str, str]) -> FileSystem:
    from pyarrow.fs import S3FileSystem  # noqa: PLC0415

    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = endpoint.rpartition("://")
    if endpoint and (scheme not in ("http", "https") or not host.strip("/")):
        raise WrongSetting("AWS_ENDPOINT_URL is no address: give https://HOST or https://HOST:PORT")
    # Credentials and profiles are left to the AWS SDK in Arrow, which also renews temporary ones.
    return S3FileSystem(
        region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None,
        scheme=scheme or None,
        endpoint_override=host.rstrip("/") or None,
        tls_ca_file_path=environment.get("AWS_CA_BUNDLE") or None,
        # A page is one request instead of three.
        allow_delayed_open=True,
    )


def _hashed(opened: IO[bytes], digest: Any) -> Iterator[bytes]:
    while chunk := opened.read(CHUNK_BYTES):
        digest.update(chunk)
        yield chunk


def _write(stream: Any, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        stream.write(chunk)


def _write_file(path: Path, chunks: Iterable[bytes]) -> None:
    with path.open("wb") as opened:
        _write(opened, chunks)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise
        # The file system has no hard links.
        copy_file(source, target)
        sync(target)
