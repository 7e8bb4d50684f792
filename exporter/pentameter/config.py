"""The settings: one frozen tree, from a YAML file, the environment and the command line, in rising order.

An unknown key is an error at start-up that names the nearest valid key: a typo must not silently leave a
default in force.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from pentameter.config_input import ConfigError, explain, from_environment, from_file, merge
from pentameter.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["DEFAULT_LISTEN", "ConfigError", "Server", "Settings", "load", "seconds_of", "split_listen"]

DEFAULT_LISTEN = "0.0.0.0:10055"  # like every exporter: Prometheus scrapes from elsewhere
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[\w.-]*):([0-9]{1,5})", re.ASCII)
_HOST = re.compile(r"[\w.:%-]+")
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": SECONDS_PER_MINUTE, "h": SECONDS_PER_HOUR, "d": SECONDS_PER_DAY}


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        """Let a YAML key without a value mean its default: people comment out what is below it."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


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
    """Let one value, or values separated by commas, stand for a list; YAML reads an index as a number."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        value = [item.strip() for item in str(value).split(",") if item.strip()]
    if isinstance(value, (list, tuple)):
        return [str(item) if type(item) is int else item for item in value]
    return value


def _twin(values: Iterable[str]) -> str | None:
    """Return a value that occurs more than once."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _server_name(url: str) -> str:
    """Return host:port of a URL; raises ``ValueError`` for what cannot be scraped, and tells no password."""
    if "@" in url or "?" in url or "#" in url:
        message = "url must hold no user, password, query or fragment; a token goes into bearer_token_file"
        raise ValueError(message)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        message = f"url must be http://HOST:PORT or https://HOST:PORT, got {url!r}"
        raise ValueError(message)
    return parts.netloc


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
            url = data["url"].strip()
            address = _server_name(url)
            data = {**data, "url": url, "name": data.get("name") or address}
        return data

    @field_validator("bearer_token")
    @classmethod
    def _one_line(cls, token: str | None) -> str | None:
        token = token and token.strip()  # a YAML block or a file pasted into it ends with a line break
        if token and not (token.isascii() and token.isprintable()):
            message = "must be one line of printable ASCII"  # else it would be quoted when the header is refused
            raise ValueError(message)
        return token

    @model_validator(mode="after")
    def _clear(self) -> Server:
        if self.bearer_token and self.bearer_token_file:
            message = "give bearer_token or bearer_token_file, not both"
            raise ValueError(message)
        twin = _twin(self.gpus)
        if twin is not None:
            message = f"gpus names {twin} twice"
            raise ValueError(message)
        return self


class Vllm(Section):
    """The vLLM servers to measure and how to scrape them."""

    servers: Annotated[tuple[Server, ...], BeforeValidator(_items)] = Field((), description="The servers.")
    interval_seconds: float = Field(1.0, ge=0.1, le=60, description="Time between two scrapes.")
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="Limit for one whole scrape.")
    max_page_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="A larger page is refused.")

    @field_validator("servers")
    @classmethod
    def _distinct(cls, servers: tuple[Server, ...]) -> tuple[Server, ...]:
        twin = _twin(server.name for server in servers)
        if twin is not None:
            message = f"two servers are called {twin!r}; give each its own name"
            raise ValueError(message)
        return servers


class Nvml(Section):
    """GPU readings on this machine through NVML."""

    enabled: bool = Field(True, description="No GPU or no driver is a normal state and costs nothing.")  # noqa: FBT003
    interval_seconds: float = Field(1.0, ge=0.25, le=60, description="Time between two readings.")


class Host(Section):
    """Readings of the machine itself."""

    enabled: bool = Field(True, description="Read CPU time and memory.")  # noqa: FBT003
    interval_seconds: float = Field(2.0, ge=0.5, le=60, description="Time between two readings.")


class Grid(Section):
    """The electricity grid behind the GPUs."""

    region: str | None = Field(
        None, description="Key of the grid table: an ISO 3166 alpha-3 country such as POL, or WORLD."
    )
    grams_per_kwh: float | None = Field(None, ge=0, description="Your own figure; takes precedence.")


class Economics(Section):
    """Prices."""

    gpu_dollars_per_hour: float | None = Field(None, ge=0, description="Price of one GPU.")


class SloSettings(Section):
    """One service level objective: a request is good when it keeps all its thresholds."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Value of the `slo` label: letters, digits, `_`, `.` and `-`."
    )
    model: str = Field("*", description="Shell pattern of the served model names that it is for, such as `llama-*`.")
    ttft_seconds: float | None = Field(None, gt=0, description="Most time to the first token.")
    tpot_seconds: float | None = Field(None, gt=0, description="Most time per output token after the first.")
    inter_token_seconds: float | None = Field(None, gt=0, description="Longest gap between two outputs of a request.")
    e2e_seconds: float | None = Field(None, gt=0, description="Most time from arrival to the last token.")
    target: float = Field(0.9, gt=0, lt=1, description="Share of requests that shall be good.")
    aborted: Literal["late", "bad", "exclude"] = Field(
        "late", description="Requests that the client aborts: bad if already too late (else left out), bad, left out."
    )
    failed: Literal["bad", "exclude"] = Field("bad", description="Requests that end with an error.")
    rejected: Literal["bad", "exclude"] = Field("bad", description="Requests that vLLM's admission control turns away.")
    one_token: Literal["judge", "bad", "exclude"] = Field(
        "judge", description="Requests of one token, which have no TPOT: judged on the other thresholds, bad, left out."
    )
    preempted: Literal["judge", "exclude"] = Field("judge", description="Requests that were preempted on the way.")

    @model_validator(mode="after")
    def _asks_something(self) -> SloSettings:
        if not any((self.ttft_seconds, self.tpot_seconds, self.inter_token_seconds, self.e2e_seconds)):
            message = "give at least one of ttft_seconds, tpot_seconds, inter_token_seconds, e2e_seconds"
            raise ValueError(message)
        return self


class Plugin(Section):
    """Exact request records from `pentameter.vllm_plugin` inside vLLM."""

    enabled: bool = Field(True, description="Listen for the plugin; where none sends, it costs nothing.")  # noqa: FBT003
    socket: str = Field(
        "@pentameter",
        min_length=2,
        max_length=107,
        description=(
            "Unix datagram socket: a path, or @NAME for an abstract one, which needs no shared folder but only the "
            "same network namespace (one pod, one host). The plugin reads the same variable, PENTAMETER_PLUGIN__SOCKET."
        ),
    )


class Otlp(Section):
    """Exact request records from vLLM's OpenTelemetry spans."""

    http: Literal["loopback", "any", "off"] = Field(
        "loopback", description="Whose spans are taken at `/v1/traces` of the exporter's own HTTP server."
    )
    grpc_listen: str | None = Field(
        None, description="HOST:PORT of a gRPC receiver, such as 127.0.0.1:4317; needs `pip install pentameter[grpc]`."
    )
    forward_url: str | None = Field(
        None, description="Collector that gets everything received, such as http://collector:4318/v1/traces."
    )
    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="A larger body, unpacked, is refused.")

    @field_validator("grpc_listen")
    @classmethod
    def _address(cls, listen: str | None) -> str | None:
        if listen is not None:
            split_listen(listen)
        return listen

    @field_validator("forward_url")
    @classmethod
    def _collector(cls, url: str | None) -> str | None:
        if url is not None:
            _server_name(url)
        return url


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
    slos: tuple[SloSettings, ...] = Field((), description="Service level objectives, any number per model.")
    plugin: Plugin = Plugin()
    otlp: Otlp = Otlp()
    state_file: str | None = Field(
        None, description="File that keeps the goodput capacity learnt over a restart; none: it is learnt anew."
    )

    @field_validator("slos")
    @classmethod
    def _distinct_slos(cls, slos: tuple[SloSettings, ...]) -> tuple[SloSettings, ...]:
        twin = _twin(slo.name for slo in slos)
        if twin is not None:
            message = f"two SLOs are called {twin!r}; give each its own name"
            raise ValueError(message)
        return slos

    @field_validator("listen")
    @classmethod
    def _address(cls, listen: str) -> str:
        split_listen(listen)
        return listen

    @field_validator("windows")
    @classmethod
    def _lengths(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        if _twin(str(seconds_of(window)) for window in windows) is not None:
            message = f"two windows have the same length: {', '.join(windows)}"
            raise ValueError(message)
        return windows

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        shortest = min(self.windows, key=seconds_of)
        for name, section in (("vllm", self.vllm), ("nvml", self.nvml)):
            if section.interval_seconds > seconds_of(shortest) / 4:
                message = (
                    f"{name}.interval_seconds {section.interval_seconds:g} is too long for the window {shortest}: "
                    "at least four readings must fit into it"
                )
                raise ValueError(message)
        return self


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, [IPv6]:PORT or :PORT; raises ``ValueError``."""
    match = _LISTEN.fullmatch(listen)
    if match is None or int(match[2]) > 65_535:
        message = f"must be HOST:PORT, [IPv6]:PORT or :PORT, got {listen!r}"
        raise ValueError(message)
    return match[1].strip("[]") or "0.0.0.0", int(match[2])  # noqa: S104 - ":PORT" means every address


def load(
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings; raises ``ConfigError`` that says what to change."""
    environment = os.environ if environment is None else environment
    file = file or environment.get("PENTAMETER_CONFIG")
    tree = merge(from_file(file) if file else {}, from_environment(environment, Settings))
    try:
        return Settings.model_validate(merge(tree, overrides or {}))
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, Settings))) from None
