"""The settings: one frozen tree, from a YAML file, the environment and the command line, in rising order.

An unknown key is an error at start-up that names the nearest valid key: a typo must not silently leave a
default in force.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from pentameter.config_carbon import Carbon
from pentameter.config_economics import Economics
from pentameter.config_energy import Energy
from pentameter.config_grid import Grid
from pentameter.config_input import ConfigError, explain, from_environment, from_file, merge
from pentameter.config_model import Model
from pentameter.config_requests import Otlp, Plugin, SloSettings
from pentameter.config_section import Section, address_of, items_of, split_listen
from pentameter.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["DEFAULT_LISTEN", "ConfigError", "Economics", "Server", "Settings", "load", "seconds_of", "split_listen"]

DEFAULT_LISTEN = "0.0.0.0:10055"  # like every exporter: Prometheus scrapes from elsewhere
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": SECONDS_PER_MINUTE, "h": SECONDS_PER_HOUR, "d": SECONDS_PER_DAY}


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


def _twin(values: Iterable[str]) -> str | None:
    """Return a value that occurs more than once."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


class Server(Section):
    """One vLLM server."""

    url: str = Field(description="Base URL, such as http://127.0.0.1:8000; a path prefix is kept.")
    name: str = Field("", description="Value of the `server` label; host:port of the URL by default.")
    bearer_token: str | None = Field(None, description="Token for servers that ask for one.", repr=False)
    bearer_token_file: str | None = Field(None, description="File with the token, read at every request.")
    ca_file: str | None = Field(None, description="PEM file of the authorities to trust for https.")
    insecure_skip_verify: bool = Field(False, description="Accept any certificate.")  # noqa: FBT003
    gpus: Annotated[tuple[str, ...], BeforeValidator(items_of)] = Field(
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
    gpu_peak_flops_per_second: float | None = Field(
        None, gt=0, description="Dense 16-bit FLOP/s of one GPU, for a GPU that the specification table does not know."
    )
    gpu_bandwidth_bytes_per_second: float | None = Field(
        None, gt=0, description="Memory bandwidth of one GPU, in place of the table's or the driver's."
    )
    gpu_dollars_per_hour: float | None = Field(None, ge=0, description="Price of one GPU of this server.")
    model: Model = Model()

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        if isinstance(data, str):
            data = {"url": data}
        if isinstance(data, dict) and isinstance(data.get("url"), str):
            url = data["url"].strip()
            address = address_of(url)
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

    servers: Annotated[tuple[Server, ...], BeforeValidator(items_of)] = Field((), description="The servers.")
    interval_seconds: float = Field(1.0, ge=0.1, le=60, description="Time between two scrapes.")
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="Limit for one whole scrape.")
    max_page_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="A larger page is refused.")
    model_cache: str | None = Field(
        None,
        min_length=1,
        description=(
            "Folder of the Hugging Face cache; by default HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub."
        ),
    )

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


class Dcgm(Section):
    """GPU readings from a node's dcgm-exporter, in place of NVML."""

    url: str | None = Field(None, description="Its address, such as http://127.0.0.1:9400; none: NVML is read.")
    uuids: Annotated[tuple[str, ...], BeforeValidator(items_of)] = Field((), description="Only these GPUs.")
    pod: str | None = Field(None, description="Only GPUs of this pod.")
    namespace: str | None = Field(None, description="Only GPUs of pods in this namespace.")
    interval_seconds: float = Field(
        10.0,
        ge=1,
        le=300,
        description="Time between two readings; dcgm-exporter itself measures every 30 s by default.",
    )


class Host(Section):
    """Readings of the machine itself."""

    enabled: bool = Field(True, description="Read CPU time and memory.")  # noqa: FBT003
    interval_seconds: float = Field(2.0, ge=0.5, le=60, description="Time between two readings.")


class Settings(Section):
    """Everything that can be configured."""

    listen: str = Field(DEFAULT_LISTEN, description="HOST:PORT of the exporter's own HTTP server.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    windows: Annotated[tuple[str, ...], BeforeValidator(items_of)] = Field(
        ("1m", "5m", "1h"), min_length=1, description="Rolling windows, such as 30s, 5m, 1h."
    )
    derive_interval_seconds: float = Field(1.0, ge=0.1, le=60, description="Time between two snapshots.")
    vllm: Vllm = Vllm()
    nvml: Nvml = Nvml()
    dcgm: Dcgm = Dcgm()
    host: Host = Host()
    energy: Energy = Energy()
    grid: Grid = Grid()
    carbon: Carbon = Carbon()
    economics: Economics = Economics()
    slos: tuple[SloSettings, ...] = Field((), description="Service level objectives, any number per model.")
    plugin: Plugin = Plugin()
    otlp: Otlp = Otlp()
    state_file: str | None = Field(
        None, description="File that keeps what was learnt (goodput capacity, drift) over a restart; none: it is lost."
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
        owned = self.economics.owned
        if self.economics.tenancy == "owned" and owned.electricity_dollars_per_kwh and self.energy.pue is None:
            message = (
                "owned hardware pays for the building's energy too: give energy.pue (1 where its meter is the rack's)"
            )
            raise ValueError(message)
        return self


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
