"""Settings from environment variables: name, default, bounds and meaning of each, declared once.

`make docs` generates README's table of settings from here. No other module of the pipeline reads these variables.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta

from pipelines.contract import Contract
from pipelines.errors import WrongSetting
from pipelines.escaping import printable
from pipelines.kalshi.base_url import DEFAULT_BASE_URL, OLDER_BASE_URL
from pipelines.kalshi.network import Network, fault_of_ca_bundle, fault_of_proxy
from pipelines.kalshi.signing import RequestSigner, UnusableKey, fault_of_key_id, load_key
from pipelines.storage.home import DEFAULT_HOME, HOME_VARIABLE, expanded
from pipelines.storage.lake import LAKE_VARIABLE, Lake, LakeAddress
from schemas.api import PAGE_LIMIT
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_ID_VARIABLE = "KALSHI_API_KEY_ID"
KEY_FILE_VARIABLE = "KALSHI_PRIVATE_KEY_FILE"
CONTRACT_VARIABLE = "MILESTONES_CONTRACT"
LOG_VARIABLE = "MILESTONES_LOG"
WEBHOOK_VARIABLE = "MILESTONES_WEBHOOK_URL"
REDIS_VARIABLE = "MILESTONES_REDIS_URL"
POSTGRES_VARIABLE = "MILESTONES_POSTGRES_URL"
CELERY_FILE_VARIABLE = "MILESTONES_CELERY_FILE"
MAX_OVERLAP_SECONDS = 86_400

VALUE_CHARACTERS = 40
"""How much of an invalid value an error message quotes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The values of all settings. `from_environment` reads and checks them."""

    base_url: Annotated[
        str | None,
        Meta(
            title="KALSHI_BASE_URL",
            description="https to a name or a public address; plain http for loopback only. If it is not set and that "
            f"host cannot be resolved or redirects, `{OLDER_BASE_URL}` is used, with a warning",
            extra={"default": f"`{DEFAULT_BASE_URL}`"},
        ),
    ] = None
    requests_per_second: Annotated[
        float, Meta(title="KALSHI_REQUESTS_PER_SECOND", ge=0, description="0 switches pacing off")
    ] = 4.0
    deadline_seconds: Annotated[
        float, Meta(title="KALSHI_DEADLINE_SECONDS", ge=0.1, description="for one page, including every retry")
    ] = 60.0
    overlap_seconds: Annotated[
        int,
        Meta(
            title="KALSHI_OVERLAP_SECONDS",
            ge=0,
            le=MAX_OVERLAP_SECONDS,
            description="how far an incremental sweep reaches back before the watermark: clocks differ, and an update "
            "may appear late",
        ),
    ] = 300
    proxy: Annotated[
        str | None,
        Meta(
            title="KALSHI_PROXY",
            description="`http://` or `https://` address of a proxy, with `USER:PASSWORD@` before its host if it "
            "requires them; `HTTPS_PROXY` and similar variables are ignored",
        ),
    ] = None
    ca_bundle: Annotated[
        str | None,
        Meta(
            title="KALSHI_CA_BUNDLE",
            description="a PEM file of certificate authorities to trust instead of the built-in ones",
        ),
    ] = None
    api_key_id: Annotated[
        str | None,
        Meta(
            title=KEY_ID_VARIABLE,
            description="the id of an API key: with it, requests are signed and your account's rate limit applies; "
            "needs the extra `signed`",
        ),
    ] = None
    private_key_file: Annotated[
        str | None,
        Meta(
            title=KEY_FILE_VARIABLE,
            description="the PEM file of that key's RSA private key, which only its owner may read (mode 0600)",
        ),
    ] = None
    page_limit: Annotated[
        int, Meta(title="KALSHI_PAGE_LIMIT", ge=1, le=PAGE_LIMIT, description="milestones to request in one page")
    ] = PAGE_LIMIT
    endpoints: Annotated[
        str,
        Meta(
            title="MILESTONES_ENDPOINTS",
            description="which other endpoints to keep: names of "
            f"`{','.join(one.name for one in ENDPOINTS)}`, separated by commas; `none` keeps milestones only",
        ),
    ] = ",".join(one.name for one in ENDPOINTS)
    endpoint_requests: Annotated[
        int,
        Meta(
            title="KALSHI_ENDPOINT_REQUESTS",
            ge=1,
            description="maximum requests of one sweep of another endpoint; the next sweep continues",
        ),
    ] = 100
    contract: Annotated[
        str,
        Meta(
            title=CONTRACT_VARIABLE,
            description="how `details` may change: `evolve`, `freeze` (a new field or kind fails the sweep) or "
            "`discard` (it makes no column), by type as in `evolve,football_game=freeze`",
        ),
    ] = "evolve"
    lake: Annotated[
        str | None,
        Meta(
            title=LAKE_VARIABLE,
            description="`s3://BUCKET/PREFIX`, or the path of a folder: landed pages and Parquet snapshots are copied "
            "there, and an empty home takes its state from there; region, endpoint and credentials are those of "
            "`AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE` and AWS's "
            "files",
        ),
    ] = None
    keep_snapshots: Annotated[
        int,
        Meta(
            title="MILESTONES_KEEP_SNAPSHOTS",
            ge=1,
            description="Parquet snapshots to keep; none younger than an hour is removed",
        ),
    ] = 3
    keep_sweeps: Annotated[
        int,
        Meta(
            title="MILESTONES_KEEP_SWEEPS",
            ge=1,
            description="landed sweeps to keep; none younger than a week is removed",
        ),
    ] = 20
    keep_runs: Annotated[
        int,
        Meta(
            title="MILESTONES_KEEP_RUNS",
            ge=1,
            description="Dagster runs to keep; none younger than two weeks is removed",
        ),
    ] = 200
    threads: Annotated[
        int | None,
        Meta(
            title="MILESTONES_THREADS",
            ge=1,
            description="cores to use",
            extra={"default": "the cores that affinity and cgroups allow"},
        ),
    ] = None
    log: Annotated[
        str, Meta(title=LOG_VARIABLE, description="`json` writes one JSON object a line, with sweep and page")
    ] = "text"
    webhook_url: Annotated[
        str | None,
        Meta(title=WEBHOOK_VARIABLE, description="where alerts are posted (Slack-compatible) when the sensors are on"),
    ] = None
    redis_url: Annotated[
        str | None,
        Meta(
            title=REDIS_VARIABLE, description="of a cluster: Redis, which holds its queues and its pace (docs/scale.md)"
        ),
    ] = None
    postgres_url: Annotated[
        str | None,
        Meta(
            title=POSTGRES_VARIABLE,
            description="of a cluster: PostgreSQL, which holds Dagster's runs; `postgresql+psycopg2://...`",
        ),
    ] = None
    celery_file: Annotated[
        str | None,
        Meta(
            title=CELERY_FILE_VARIABLE,
            description="of a cluster: the file with Celery's configuration",
            extra={"default": "`deploy/cluster/celery.yaml`"},
        ),
    ] = None
    home: Annotated[
        str,
        Meta(
            title=HOME_VARIABLE,
            description="folder for everything that is written, including Dagster's storage; a leading `~` is expanded",
            extra={"default": "`./data`"},
        ),
    ] = DEFAULT_HOME

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check every setting.

        Raises WrongSetting, which names the variable and never quotes a secret; ExtraMissing for signed requests.
        """
        settings = cls(**{name: setting(name, environment) for name in cls.__struct_fields__})
        settings.network()
        settings.signer()
        settings.kept_endpoints()
        settings.details_contract()
        settings.lake_address()
        return settings

    @property
    def api_base_url(self) -> str:
        """The base URL to request first."""
        return self.base_url or DEFAULT_BASE_URL

    @property
    def fallback_base_url(self) -> str | None:
        """The base URL to request if the first is unreachable; None if the user set one."""
        return None if self.base_url else OLDER_BASE_URL

    def kept_endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints to keep beside milestones, in the order in which they are refreshed. Raises WrongSetting."""
        names = {name.strip() for name in self.endpoints.split(",")} - {""}
        known = {endpoint.name for endpoint in ENDPOINTS}
        if names == {"none"}:
            return ()
        if unknown := sorted(names - known):
            raise WrongSetting(
                f"{VARIABLES['endpoints']} names {printable(', '.join(unknown))[:VALUE_CHARACTERS]!r}: give names of "
                f"{', '.join(sorted(known))}, separated by commas, or none"
            )
        return tuple(endpoint for endpoint in ENDPOINTS if endpoint.name in names)

    def network(self) -> Network:
        """Proxy and certificate authorities. Raises WrongSetting, which never quotes the proxy's address."""
        return _network(self.proxy, self.ca_bundle)

    def signer(self) -> RequestSigner | None:
        """Signs requests to the configured API, or to its documented hosts; None without a key.

        Raises WrongSetting, which never quotes the key or its id; ExtraMissing.
        """
        key = _key(self.api_key_id, self.private_key_file)
        base_urls = [self.api_base_url] if self.base_url else [DEFAULT_BASE_URL, OLDER_BASE_URL]
        return RequestSigner(*key, base_urls=base_urls) if key else None

    def lake_address(self) -> LakeAddress | None:
        """Where the lake is; None without one. Raises WrongSetting."""
        return LakeAddress.parse(self.lake) if self.lake else None

    def data_lake(self) -> Lake | None:
        """The lake, to which no request was sent yet; None without one. Raises WrongSetting."""
        return Lake.open(address) if (address := self.lake_address()) else None

    def details_contract(self) -> Contract:
        """How `details` may change. Raises WrongSetting."""
        return Contract.parse(self.contract)


def setting(name: str, environment: Mapping[str, str] = os.environ) -> Any:
    """Read and check one setting; its default where the variable is unset or empty. Raises WrongSetting."""
    kind, meta = _DECLARED[name]
    raw = environment.get(VARIABLES[name], "")
    # Secrets that are read from files end with a newline.
    text = raw.strip()
    if not text:
        return getattr(DEFAULTS, name)
    if kind is str:
        return text
    try:
        # int() also accepts 5_0 and digits of other scripts.
        number = float(text) if kind is float else int(text if text.isascii() and text.isdecimal() else "")
        # NaN and infinity pass every bound.
        return msgspec.convert(number if math.isfinite(number) else None, Annotated[kind, meta])
    except (ValueError, OverflowError) as error:
        shown = raw[:VALUE_CHARACTERS]
        raise WrongSetting(f"{VARIABLES[name]} is {shown!r}: give {_bounds(kind, meta)}") from error


def network(environment: Mapping[str, str] = os.environ) -> Network:
    """Proxy and certificate authorities alone: alerts go out although another setting is wrong. Raises WrongSetting."""
    return _network(setting("proxy", environment), setting("ca_bundle", environment))


def _network(proxy: str | None, ca_bundle: str | None) -> Network:
    if proxy and (fault := fault_of_proxy(proxy)):
        raise WrongSetting(
            f"{VARIABLES['proxy']} cannot be used ({fault}): give http://HOST:PORT or https://HOST:PORT, "
            "with USER:PASSWORD@ before the host if the proxy requires them"
        )
    path = expanded(ca_bundle).absolute() if ca_bundle else None
    if path and (fault := fault_of_ca_bundle(path)):
        raise WrongSetting(
            f"{VARIABLES['ca_bundle']} cannot be used ({printable(str(path))}: {fault}): give a readable PEM file "
            "with the certificates of the authorities to trust"
        )
    return Network(proxy, path)


def _key(key_id: str | None, key_file: str | None) -> tuple[str, RSAPrivateKey] | None:
    """The id of an API key with its private key; None where requests are not signed."""
    if not key_id and not key_file:
        return None
    if not key_id or not key_file:
        given, missing = (KEY_ID_VARIABLE, KEY_FILE_VARIABLE) if key_id else (KEY_FILE_VARIABLE, KEY_ID_VARIABLE)
        raise WrongSetting(f"{given} is set and {missing} is not: set both to sign requests, or neither")
    if fault := fault_of_key_id(key_id):
        raise WrongSetting(f"{KEY_ID_VARIABLE} cannot be used ({fault}): give the id that came with the API key")
    path = expanded(key_file).absolute()
    try:
        return key_id, load_key(path)
    except UnusableKey as error:
        raise WrongSetting(
            f"{KEY_FILE_VARIABLE} cannot be used ({printable(str(path))}: {error}): give the PEM file of an API key's "
            "RSA private key, readable by its owner only"
        ) from error


def settings_table() -> str:
    """README's table of settings, as Markdown: variable, default, bounds and meaning."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, (kind, meta) in _DECLARED.items():
        limits = "" if meta.ge is None else f"; {_bounds(kind, meta)}"
        lines.append(f"| `{VARIABLES[name]}` | {default_text(name)} | {meta.description}{limits} |")
    return "\n".join(lines) + "\n"


def default_text(name: str) -> str:
    """The default of a setting, as Markdown; "none" where there is none."""
    _, meta = _DECLARED[name]
    value = getattr(DEFAULTS, name)
    if shown := (meta.extra or {}).get("default"):
        return str(shown)
    return "none" if value is None else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _declared() -> Iterator[tuple[str, type, Meta]]:
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        kind, meta = get_args(hint)
        # `int | None`: None means "not set" and has no spelling.
        yield name, next((member for member in get_args(kind) if member is not type(None)), kind), meta


def _bounds(kind: type, meta: Meta) -> str:
    number = "a whole number" if kind is int else "a number"
    return f"{number}, {meta.ge:g} or more" if meta.le is None else f"{number} from {meta.ge:g} to {meta.le:d}"


_DECLARED: dict[str, tuple[type, Meta]] = {name: (kind, meta) for name, kind, meta in _declared()}
VARIABLES: dict[str, str] = {name: meta.title or "" for name, (_, meta) in _DECLARED.items()}
DEFAULTS = Settings()
