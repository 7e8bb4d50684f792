"""The settings about single requests: service level objectives, and where request records come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from pentameter.config_section import Section, address_of, split_listen


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
            address_of(url)
        return url
