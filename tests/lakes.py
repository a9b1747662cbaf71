"""Lakes for tests: buckets of an S3 server on loopback, and folders."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.storage.lake import Lake, LakeAddress

REGION = "eu-west-1"
SECRET = "a-secret-that-no-log-may-show"  # noqa: S105 - of no real account
KEY_ID = "AKIAOFTHETESTSONLY00"

BOTH = pytest.mark.parametrize("lake", ["s3", "folder"], indirect=True)
"""Runs a test with a lake in a bucket and with one in a folder."""

_NAMES = (f"lake-{number}" for number in itertools.count(1))


class Server:
    """An S3 server on loopback, with the environment variables that lead there."""

    def __init__(self, endpoint: str) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            # Without credentials, the SDK would ask a host of Amazon's network for some.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.client: Any = boto3.client(
            "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET
        )

    def bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = next(_NAMES)
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name


@contextlib.contextmanager
def serving_s3() -> Iterator[Server]:
    # It logs each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Server(f"http://{host}:{port}")
    finally:
        server.stop()


def set_environment(environment: pytest.MonkeyPatch, server: Server) -> None:
    for name, value in server.environment.items():
        environment.setenv(name, value)


def new_lake(kind: str, server: Server, folder: Path) -> Lake:
    """An empty lake: a prefix of a new bucket (`s3`), or a new folder."""
    if kind == "s3":
        return Lake.open(LakeAddress.parse(f"s3://{server.bucket()}/kalshi/prod"), server.environment)
    folder.mkdir()
    return Lake.open(LakeAddress.parse(str(folder)))
