"""Signed requests: the scheme that the API documents, checked with the public key, and who never gets a signature."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pipelines.errors import ExtraMissing
from pipelines.kalshi import errors
from pipelines.kalshi.base_url import DEFAULT_BASE_URL, OLDER_BASE_URL
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.signing import RequestSigner, UnusableKey, load_key
from tests.support import milestone_id

from .conftest import FakeTime, MakeClient
from .fault_server import Exchange, FaultServer, Play, answer, page
from .test_addresses import served, session

__all__ = ["session"]

KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
QUERY = MilestoneQuery()
HEADERS = ("kalshi-access-key", "kalshi-access-timestamp", "kalshi-access-signature")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signer(key: rsa.RSAPrivateKey, *base_urls: str) -> RequestSigner:
    return RequestSigner(KEY_ID, key, base_urls=base_urls)


def assert_signed(exchange: Exchange, key: rsa.RSAPrivateKey, path: str) -> int:
    """The signature is the account's over time, method and path; returns the time in milliseconds."""
    key_id, timestamp, signature = (exchange.headers[name] for name in HEADERS)
    assert key_id == KEY_ID
    key.public_key().verify(
        base64.b64decode(signature, validate=True),
        f"{timestamp}GET{path}".encode(),
        # The salt is as long as the digest: 32 bytes.
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
        hashes.SHA256(),
    )
    return int(timestamp)


def test_requests_are_signed_without_their_query(
    make_client: MakeClient, fake_time: FakeTime, key: rsa.RSAPrivateKey
) -> None:
    with FaultServer(answer(page("a"))) as server:
        client = make_client(server.url, signer=signer(key, server.url))
        client.list_page(QUERY)
    assert "?limit=" in server.exchanges[0].target
    time = assert_signed(server.exchanges[0], key, "/trade-api/v2/milestones")
    assert time == int(fake_time.now().timestamp() * 1000)


def test_the_path_of_one_milestone_is_signed(make_client: MakeClient, key: rsa.RSAPrivateKey) -> None:
    body = f'{{"milestone": {{"id": "{milestone_id(1)}"}}}}'.encode()
    with FaultServer(answer(body)) as server:
        make_client(server.url, signer=signer(key, server.url)).get_milestone(milestone_id(1))
    assert_signed(server.exchanges[0], key, f"/trade-api/v2/milestones/{milestone_id(1)}")


def test_each_attempt_is_signed_again(make_client: MakeClient, key: rsa.RSAPrivateKey) -> None:
    with FaultServer(answer(b"", 503), answer(page("a"))) as server:
        make_client(server.url, signer=signer(key, server.url)).list_page(QUERY)
    first, second = (assert_signed(one, key, "/trade-api/v2/milestones") for one in server.exchanges)
    assert second > first


def test_without_a_signer_nothing_is_signed(make_client: MakeClient) -> None:
    with FaultServer(answer(page("a"))) as server:
        make_client(server.url).list_page(QUERY)
    assert not set(HEADERS) & server.exchanges[0].headers.keys()


def test_another_host_gets_no_signature(make_client: MakeClient, key: rsa.RSAPrivateKey) -> None:
    with FaultServer(answer(page("a"))) as other:
        make_client(other.url, signer=signer(key, DEFAULT_BASE_URL, "http://[broken")).list_page(QUERY)
    assert not set(HEADERS) & other.exchanges[0].headers.keys()


@pytest.mark.parametrize("is_documented", [True, False], ids=["documented", "another-host"])
def test_a_fallback_is_signed_only_where_it_is_the_apis(
    make_client: MakeClient, key: rsa.RSAPrivateKey, session: object, *, is_documented: bool
) -> None:
    with FaultServer(answer(page("a"))) as second:
        served(session, second=second)  # type: ignore[arg-type]
        ours = [DEFAULT_BASE_URL, *([OLDER_BASE_URL] if is_documented else [])]
        client = make_client(
            DEFAULT_BASE_URL, fallback_base_url=OLDER_BASE_URL, session=session, signer=signer(key, *ours)
        )
        client.list_page(QUERY)
    assert (HEADERS[0] in second.exchanges[0].headers) is is_documented


def test_a_redirect_gets_no_request(make_client: MakeClient, key: rsa.RSAPrivateKey) -> None:
    with (
        FaultServer(answer(page("a"))) as other,
        FaultServer(answer(b"", 302, Location=other.url)) as server,
        pytest.raises(errors.Redirected),
    ):
        make_client(server.url, signer=signer(key, server.url)).list_page(QUERY)
    assert not other.exchanges


def echo(status: int, template: str) -> Play:
    """Answers with the key's id and the signature of the request."""

    def play(exchange: Exchange) -> bool:
        told = template.replace("HEADERS", " ".join(exchange.headers[name] for name in HEADERS))
        return answer(told.encode(), status)(exchange)

    return play


ECHOES = {
    "401": (echo(401, '{"msg": "HEADERS"}'), errors.SignatureRefused, "clock is right"),
    "403": (echo(403, "HEADERS"), errors.SignatureRefused, "KALSHI_PRIVATE_KEY_FILE"),
    "503": (echo(503, '{"error": "HEADERS"}'), errors.ServerFault, "HTTP 503"),
    "not-json": (echo(200, "<p>HEADERS"), errors.NotTheApi, "<p>"),
    "another-shape": (echo(200, '{"headers": "HEADERS"}'), errors.NotTheApi, "headers"),
}


@pytest.mark.parametrize(("play", "kind", "words"), ECHOES.values(), ids=ECHOES)
def test_an_echo_of_the_signature_is_hidden(
    make_client: MakeClient,
    key: rsa.RSAPrivateKey,
    caplog: pytest.LogCaptureFixture,
    play: Play,
    kind: type[errors.KalshiError],
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer(play) as server, pytest.raises(kind) as caught:
        make_client(server.url, signer=signer(key, server.url)).list_page(QUERY)
    assert words in str(caught.value)
    assert "***" in str(caught.value)
    for secret in (KEY_ID, *(one.headers[HEADERS[2]][:40] for one in server.exchanges)):
        assert secret not in str(caught.value) + repr(caught.value) + caplog.text


def test_the_key_id_is_shown_in_part(key: rsa.RSAPrivateKey) -> None:
    assert signer(key).shown_key_id == "a952***"
    assert KEY_ID not in repr(signer(key))
    assert RequestSigner("short", key, base_urls=[]).shown_key_id == "***"


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    encryption: serialization.KeySerializationEncryption | None = None,
) -> bytes:
    chosen = encryption or serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, chosen)


def private(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "form",
    [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL],
    ids=["PKCS8", "RSA-PRIVATE-KEY"],
)
@pytest.mark.parametrize("mode", [0o600, 0o400], ids=["0600", "0400"])
def test_a_key_is_read(tmp_path: Path, key: rsa.RSAPrivateKey, form: serialization.PrivateFormat, mode: int) -> None:
    loaded = load_key(private(tmp_path / "key.pem", pem(key, form), mode))
    assert loaded.private_numbers() == key.private_numbers()


UNUSABLE: dict[str, tuple[Callable[[rsa.RSAPrivateKey], bytes], str]] = {
    "empty": (lambda _: b"", "no private key in PEM form"),
    "text": (lambda _: b"my secret words", "no private key in PEM form"),
    "public": (
        lambda key: key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "no private key in PEM form",
    ),
    "cut": (lambda key: pem(key)[:300], "damaged"),
    "encrypted": (
        lambda key: pem(key, encryption=serialization.BestAvailableEncryption(b"words")),
        "encrypted",
    ),
    "encrypted-rsa": (
        lambda key: pem(
            key,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.BestAvailableEncryption(b"words"),
        ),
        "encrypted",
    ),
    "elliptic": (lambda _: pem(ec.generate_private_key(ec.SECP256R1())), "another kind than RSA"),
    "small": (
        lambda _: pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - on purpose
        "has 1024 bits, fewer than 2048",
    ),
}


@pytest.mark.parametrize(("make", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_key_is_refused(
    tmp_path: Path, key: rsa.RSAPrivateKey, make: Callable[[rsa.RSAPrivateKey], bytes], words: str
) -> None:
    with pytest.raises(UnusableKey, match=words) as caught:
        load_key(private(tmp_path / "key.pem", make(key)))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601], ids=oct)
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, key: rsa.RSAPrivateKey, mode: int) -> None:
    with pytest.raises(UnusableKey, match=f"its mode is {mode:04o}.*chmod 600"):
        load_key(private(tmp_path / "key.pem", pem(key), mode))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableKey, match="no such file"):
        load_key(tmp_path / "key.pem")
    with pytest.raises(UnusableKey, match="not a file"):
        load_key(tmp_path)


def test_without_the_extra_the_error_names_it(
    tmp_path: Path, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ExtraMissing, match=r"a signed request needs the extra signed"):
        load_key(private(tmp_path / "key.pem", pem(key)))
