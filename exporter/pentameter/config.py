"""The settings: one frozen tree, from a YAML file, the environment and the command line, in rising order.

An unknown key is an error at start-up that names the nearest valid key: a typo must not silently leave a
default in force.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_LISTEN = "0.0.0.0:10055"  # like every exporter: Prometheus scrapes from elsewhere
ENVIRONMENT_PREFIX = "PENTAMETER_"

# Kubernetes gives every pod NAME_PORT and NAME_SERVICE_* of each Service; one may be called pentameter.
_SERVICE_LINK = re.compile(r"PENTAMETER(_[A-Z0-9]+)*_(SERVICE_(HOST|PORT.*)|PORT(_\d+_(TCP|UDP|SCTP).*)?)$")
_DURATION = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class ConfigError(Exception):
    """The settings cannot be used; the message says which key and why."""


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def seconds_of(window: str) -> float:
    """Return the length of a window such as ``5m``; raises ``ValueError``.

    >>> seconds_of("5m")
    300.0
    """
    match = _DURATION.fullmatch(window)
    if match is None or int(match[1]) == 0:
        message = f"a window is a whole number and one of s, m, h, d, such as 5m; got {window!r}"
        raise ValueError(message)
    return float(int(match[1]) * _SECONDS[match[2]])


def _items(value: object) -> object:
    """Let an environment variable hold a list: items separated by commas."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


class Server(Section):
    """One vLLM server."""

    url: str = Field(description="Base URL, such as http://127.0.0.1:8000; a path prefix is kept.")
    name: str = Field("", description="Value of the `server` label; host:port of the URL by default.")
    bearer_token: str | None = Field(None, description="Token for servers that ask for one.", repr=False)
    bearer_token_file: str | None = Field(None, description="File with the token, read at every request.")
    ca_file: str | None = Field(None, description="PEM file of the authorities to trust for https.")
    insecure_skip_verify: bool = Field(False, description="Accept any certificate.")  # noqa: FBT003
    gpus: Annotated[tuple[str, ...], BeforeValidator(_items)] = Field(
        (),
        description=(
            "UUIDs or indices of the GPUs that this server uses. Empty with one server: all that are visible."
            " Empty with several servers: unknown, and figures that need the mapping are left out."
        ),
    )
    gpu_count: int | None = Field(None, ge=1, description="Number of GPUs where they are not visible; for the cost.")
    gpu_type: str | None = Field(
        None, description="GPU of the specification table, such as H100-SXM-80GB; by default read from NVML."
    )
    gpu_dollars_per_hour: float | None = Field(None, ge=0, description="Price of one GPU of this server.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        if isinstance(data, str):
            data = {"url": data}
        if isinstance(data, dict) and isinstance(data.get("url"), str):
            parts = urlsplit(data["url"])
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                message = f"url must begin with http:// or https:// and name a host, got {data['url']!r}"
                raise ValueError(message)
            data = {**data, "name": data.get("name") or parts.netloc.rpartition("@")[2]}
        return data


class Vllm(Section):
    """The vLLM servers to measure and how to scrape them."""

    servers: tuple[Server, ...] = Field((), description="The servers.")
    interval_seconds: float = Field(1.0, ge=0.1, le=60, description="Time between two scrapes.")
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="Limit for one whole scrape.")
    max_page_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="A larger page is refused.")


class Nvml(Section):
    """GPU readings on this machine through NVML."""

    enabled: bool = Field(True, description="No GPU or no driver is a normal state and costs nothing.")  # noqa: FBT003
    interval_seconds: float = Field(1.0, ge=0.25, le=60, description="Time between two readings.")


class Host(Section):
    """Readings of the machine itself."""

    enabled: bool = Field(True, description="Read CPU time and memory.")  # noqa: FBT003
    interval_seconds: float = Field(5.0, ge=0.5, le=60, description="Time between two readings.")


class Grid(Section):
    """The electricity grid behind the GPUs."""

    region: str | None = Field(
        None, description="Key of the grid table: an ISO 3166 alpha-3 country such as POL, or WORLD."
    )
    grams_per_kwh: float | None = Field(None, ge=0, description="Your own figure; takes precedence.")


class Economics(Section):
    """Prices."""

    gpu_dollars_per_hour: float | None = Field(None, ge=0, description="Price of one GPU.")


class Settings(Section):
    """Everything that can be configured."""

    listen: str = Field(DEFAULT_LISTEN, description="HOST:PORT of the exporter's own HTTP server.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    windows: Annotated[tuple[str, ...], BeforeValidator(_items)] = Field(
        ("1m", "5m", "1h"), min_length=1, description="Rolling windows, such as 30s, 5m, 1h."
    )
    derive_interval_seconds: float = Field(1.0, ge=0.1, le=60, description="Time between two snapshots.")
    vllm: Vllm = Vllm()
    nvml: Nvml = Nvml()
    host: Host = Host()
    grid: Grid = Grid()
    economics: Economics = Economics()

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        split_listen(self.listen)
        lengths = [seconds_of(window) for window in self.windows]
        if len(set(lengths)) != len(lengths):
            message = f"windows repeat a length: {', '.join(self.windows)}"
            raise ValueError(message)
        if self.vllm.interval_seconds > min(lengths) / 4:
            message = (
                f"vllm.interval_seconds {self.vllm.interval_seconds:g} is too long for the window "
                f"{min(self.windows, key=seconds_of)}: at least four scrapes must fit into it"
            )
            raise ValueError(message)
        names = [server.name for server in self.vllm.servers]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            message = f"vllm.servers: two servers are called {twins[0]!r}; give each its own name"
            raise ValueError(message)
        return self


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, [IPv6]:PORT or :PORT; raises ``ValueError``."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        message = f"listen must be HOST:PORT, got {listen!r}"
        raise ValueError(message)
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - ":PORT" means every address


def load(
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings; raises ``ConfigError`` that says what to change."""
    environment = os.environ if environment is None else environment
    file = file or environment.get(ENVIRONMENT_PREFIX + "CONFIG")
    tree = _merge(_from_file(file) if file else {}, _from_environment(environment))
    tree = _merge(tree, overrides or {})
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error


def _from_file(file: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"cannot read the configuration {file}: {error}"
        raise ConfigError(message) from error
    if tree is not None and not isinstance(tree, dict):
        message = f"the configuration {file} must be a mapping of keys"
        raise ConfigError(message)
    return tree or {}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """``PENTAMETER_VLLM__INTERVAL_SECONDS=2`` sets ``vllm.interval_seconds``; two underscores descend."""
    tree: dict[str, Any] = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or _SERVICE_LINK.fullmatch(variable):
            continue
        path = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if path == ["config"]:
            continue
        if path == ["vllm_url"]:
            path, content = ["vllm", "servers"], _items(value)
        else:
            content = value
        branch = tree
        for key in path[:-1]:
            branch = branch.setdefault(key, {})
        branch[path[-1]] = content
    return tree


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(problem["loc"][-1]), valid_keys(problem["loc"]), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            lines.append(f"{place}: unknown key{hint}")
        else:
            lines.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}".removeprefix(": "))
    return "\n".join(lines)


def valid_keys(place: tuple[int | str, ...]) -> list[str]:
    """Return the keys allowed beside the last part of a place in the tree."""
    section: type[BaseModel] = Settings
    for part in place[:-1]:
        if isinstance(part, int):
            continue
        annotation = section.model_fields[part].annotation
        inner = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)]
        found = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        found = found or next((a for a in inner if issubclass(a, BaseModel)), None)
        if found is None:
            return []
        section = found
    return list(section.model_fields)
