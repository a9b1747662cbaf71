"""Celery's configuration, read and checked at the start of every worker and run: `deploy/cluster/celery.yaml`.

A worker and a run that disagree about it wait for each other for ever, so what Dagster ignores is refused here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._config import post_process_config, validate_config
from dagster_celery import celery_executor
from dagster_celery.executor import CeleryExecutor

from pipelines.cluster.redis_server import ANSWER_SECONDS, redis_url
from pipelines.errors import WrongSetting
from pipelines.escaping import printable
from pipelines.project_files import project_file
from pipelines.settings import CELERY_FILE_VARIABLE, REDIS_VARIABLE, setting
from pipelines.storage.home import expanded

RANGES_QUEUE = "milestones-ranges"
WRITER_QUEUE = "milestones-writer"
"""Of the one worker on the machine that has the home."""

DEFAULT_FILE = "deploy/cluster/celery.yaml"
MARGIN_SECONDS = 5.0
"""From the last page of a step to its acknowledgement."""

_LEVELS = "nest it below execution: and config:, as deploy/cluster/celery.yaml does"
_REQUIRED = {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1}
"""Without these, the step of a killed worker is lost, or waits behind another step of its worker."""


@dataclass(frozen=True)
class CeleryConfiguration:
    """The checked configuration: `executor` as in the file, `resolved` with the values of environment variables."""

    executor: dict[str, Any]
    resolved: dict[str, Any]
    visibility_seconds: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> CeleryConfiguration:
        """Read the file that the settings name. Raises WrongSetting, which quotes no address of a broker."""
        redis_url(environment)
        named, deadline = setting("celery_file", environment), setting("deadline_seconds", environment)
        file = expanded(named) if named else project_file(DEFAULT_FILE)
        found = cls.read(file)
        if found.step_seconds(deadline) <= 0:
            raise WrongSetting(
                f"{file}: visibility_timeout is {found.visibility_seconds:g} s, too short for a page, which may take "
                f"{deadline:g} s: raise it, or lower KALSHI_DEADLINE_SECONDS"
            )
        return found

    @classmethod
    def read(cls, file: Path) -> CeleryConfiguration:
        """Read and check a file. Raises WrongSetting."""
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise WrongSetting(
                f"{CELERY_FILE_VARIABLE}: cannot read {file} ({error.strerror}): give the path of a file"
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise WrongSetting(
                f"{file} is no YAML ({printable(' '.join(str(error).split()))[:120]}): correct it"
            ) from error
        executor = _nested(file, content)
        resolved = _resolved(file, executor)
        for name in ("broker", "backend"):
            if not str(resolved.get(name) or "").startswith(("redis://", "rediss://", "unix://")):
                raise WrongSetting(f"{file}: {name} is no address of Redis: give redis://HOST:PORT/0")
        return cls(executor, resolved, _visibility_of(file, resolved.get("config_source") or {}))

    def step_seconds(self, deadline_seconds: float) -> float:
        """How long a step may begin new pages, so that it ends before another worker would get it."""
        return self.visibility_seconds - deadline_seconds - MARGIN_SECONDS

    def app_arguments(self, *, unacked: str | None = None, visibility_seconds: float | None = None) -> dict[str, Any]:
        """The arguments of `celery.Celery`. `unacked` keeps a worker's unacknowledged steps apart from the others'."""
        source = dict(self.resolved["config_source"])
        options = {"socket_connect_timeout": ANSWER_SECONDS, **source["broker_transport_options"]}
        if unacked is not None:
            options |= {f"unacked{key}": f"{unacked}{key}" for key in ("_key", "_index_key", "_mutex_key")}
        if visibility_seconds is not None:
            options["visibility_timeout"] = visibility_seconds
        source |= {"broker_transport_options": options}
        return dict(CeleryExecutor.for_cli(**{**self.resolved, "config_source": source}).app_args())


def _nested(file: Path, content: object) -> dict[str, Any]:
    """What is below `execution` and `config`; nothing may be beside them."""
    fields = set(celery_executor.config_schema.config_type.fields)
    level = content
    for name in ("execution", "config"):
        if not isinstance(level, dict):
            raise WrongSetting(f"{file} has no execution.config: {_LEVELS}")
        if flat := sorted(fields & {str(key) for key in level}):
            raise WrongSetting(f"{file} has {', '.join(flat)} where Dagster ignores it silently: {_LEVELS}")
        if name not in level or len(level) != 1:
            found = printable(", ".join(map(str, level))[:80]) or "nothing"
            raise WrongSetting(f"{file} has {found} where only {name} belongs: {_LEVELS}")
        level = level[name]
    if not isinstance(level, dict):
        raise WrongSetting(f"{file} has no execution.config: {_LEVELS}")
    return level


def _resolved(file: Path, executor: dict[str, Any]) -> dict[str, Any]:
    schema = celery_executor.config_schema.config_type
    checked = validate_config(schema, executor)
    if not checked.success:
        raise WrongSetting(f"{file}: {printable((checked.errors or [])[0].message)}: correct it")
    processed = post_process_config(schema, checked.value)
    if not processed.success:
        raise WrongSetting(f"{file}: an environment variable that it names is not set: set {REDIS_VARIABLE}")
    return {name: value for name, value in (processed.value or {}).items() if name != "retries"}


def _visibility_of(file: Path, source: dict[str, Any]) -> float:
    for name, wanted in _REQUIRED.items():
        if source.get(name) != wanted:
            raise WrongSetting(
                f"{file}: config_source.{name} is {source.get(name)!r}, so that the step of a killed worker would be "
                f"lost: set it to {str(wanted).lower()}"
            )
    seconds = (source.get("broker_transport_options") or {}).get("visibility_timeout")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 1:
        raise WrongSetting(f"{file}: config_source.broker_transport_options.visibility_timeout is no number of seconds")
    return float(seconds)


def executor() -> dg.ExecutorDefinition:
    """Celery's executor with the checked configuration. Raises WrongSetting."""
    configured: dg.ExecutorDefinition = celery_executor.configured(
        CeleryConfiguration.from_environment().executor, name="celery"
    )
    return configured
