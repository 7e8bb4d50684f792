"""From a datagram of the plugin to records; ``pentameter.vllm_plugin_wire`` says what a message is.

Anybody in the same network namespace can send datagrams, so nothing is believed: a datagram that is no message is
refused as a whole, an entry that is not sound is refused alone, and what becomes a label is short and printable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pentameter.records import EngineConfig, FinishedRequest, IterationFacts, StepRow
from pentameter.sketch import LAST
from pentameter.sources.plugin_gpus import told_gpus
from pentameter.sources.plugin_values import MOST_KEYS, UnsoundError, is_label, label, mapping, number, whole
from pentameter.vllm_plugin_wire import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.records import ToldGpus

LONGEST_FACT = 32_768
MOST_SECONDS = 1e8
"""Three years: more is no duration of a request."""
MOST_STEPS = 4096
UNPRINTABLE = "unprintable"
"""An adapter whose name cannot become a label."""
TOTALS = ("dropped", "unheard", "errors")


class UnreadableError(Exception):
    """A datagram that is no message; ``outcome`` is ``malformed_datagram`` or ``unknown_version``."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Message:
    """What one datagram says."""

    instance: str
    """Random word of the plugin's start: it tells senders apart, also those with one process id in two containers."""
    totals: Mapping[str, int]
    requests: tuple[FinishedRequest, ...]
    iterations: tuple[IterationFacts, ...]
    configs: tuple[EngineConfig, ...]
    refused: int
    """Entries that are not sound."""
    gpus: tuple[ToldGpus, ...] = ()


def decode(datagram: bytes) -> Message:
    """Return what a datagram says; raises ``UnreadableError``, and nothing else whatever the datagram holds."""
    message = _parse(datagram)
    version = message.get("v")
    if type(version) is int and version != VERSION:
        raise UnreadableError("unknown_version", f"message of version {str(version)[:9]}, not {VERSION}")
    entries = message.get("entries")
    if version != VERSION or type(version) is not int or not isinstance(entries, list):
        raise UnreadableError("malformed_datagram", "no version or no entries")
    try:
        whose = {"sender": label(message.get("sender")), "model_name": label(message.get("model_name"))}
        instance = label(message.get("instance"))
        told = mapping(message.get("totals"))
        totals = {name: whole(told.get(name, 0)) for name in TOTALS}
    except UnsoundError as error:
        raise UnreadableError("malformed_datagram", str(error)) from None
    requests: list[FinishedRequest] = []
    iterations: list[IterationFacts] = []
    configs: list[EngineConfig] = []
    gpus: list[ToldGpus] = []
    refused = 0
    for entry in entries:
        try:
            kind = mapping(entry).get("kind")
            if kind == "request":
                requests.append(_request(entry, whose))
            elif kind == "iteration":
                iterations.append(_iteration(entry, whose))
            elif kind == "config":
                configs.extend(_configs(entry, whose))
            elif kind == "gpus":
                gpus.append(told_gpus(entry, whose, instance))
            else:
                refused += 1
        except UnsoundError:
            refused += 1
    return Message(instance, totals, tuple(requests), tuple(iterations), tuple(configs), refused, tuple(gpus))


def _parse(datagram: bytes) -> dict[str, Any]:
    try:
        message = json.loads(datagram)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("malformed_datagram", f"no JSON: {type(error).__name__}") from None
    if not isinstance(message, dict):
        raise UnreadableError("malformed_datagram", "no JSON object")
    return message


def _request(entry: Mapping[str, Any], whose: Mapping[str, str]) -> FinishedRequest:
    def seconds(name: str) -> float | None:
        value = entry.get(name)
        return None if value is None else _seconds(value)

    def count(name: str) -> int | None:
        value = entry.get(name)
        return None if value is None else whole(value)

    return FinishedRequest(
        origin="plugin",
        arrival_wall=number(entry.get("arrival"), 0.0, 1e12),
        e2e=_seconds(entry.get("e2e")),
        output_tokens=whole(entry.get("output_tokens")),
        prompt_tokens=whole(entry.get("prompt_tokens", 0)),
        ttft=seconds("ttft"),
        decode=seconds("decode"),
        queue=seconds("queue"),
        prefill=seconds("prefill"),
        cached_tokens=count("cached_tokens"),
        preemptions=count("preemptions"),
        finish_reason=label(entry.get("finish_reason")),
        request_id=_request_id(entry.get("request_id")),
        engine=label(entry.get("engine")),
        **whose,
    )


def _iteration(entry: Mapping[str, Any], whose: Mapping[str, str]) -> IterationFacts:
    gaps = {}
    for index, count in mapping(entry.get("gaps"), LAST + 1).items():
        if not (index.isdecimal() and len(index) <= len(str(LAST)) and int(index) <= LAST):
            raise UnsoundError("bucket")
        gaps[int(index)] = whole(count)
    return IterationFacts(
        engine=label(entry.get("engine")),
        sums={label(name): number(value, 0.0, 1e18) for name, value in mapping(entry.get("sums")).items()},
        gauges={label(name): number(value, 0.0, 1e18) for name, value in mapping(entry.get("gauges")).items()},
        gaps=gaps,
        gap_sum=number(entry.get("gap_sum", 0.0), 0.0, 1e18),
        steps=_steps(entry.get("steps")),
        adapters=_adapters(entry.get("adapters")),
        **whose,
    )


def _adapters(outputs: object) -> dict[str, int] | None:
    """Return the outputs by adapter; its name may be anything, so that an odd one must not cost the rest."""
    if outputs is None:
        return None
    told: dict[str, int] = {}
    for name, count in mapping(outputs).items():
        plain = name if is_label(name) else UNPRINTABLE
        told[plain] = told.get(plain, 0) + whole(count)
    return told


def _steps(rows: object) -> tuple[StepRow, ...] | None:
    """Return the steps; None where there are none to be told, as by older plugins."""
    if rows is None:
        return None
    if not isinstance(rows, list) or len(rows) > MOST_STEPS:
        raise UnsoundError("steps")
    return tuple(map(_step, rows))


def _step(row: object) -> StepRow:
    if not isinstance(row, list) or len(row) < len(StepRow._fields):
        raise UnsoundError("step")  # a later plugin may say more of it
    since, gap, decoded, first, computed, ttft, left = map(whole, row[: len(StepRow._fields)])
    return StepRow(since / 1e6, gap / 1e6, decoded, first, computed, ttft / 1e6, left)


def _configs(entry: Mapping[str, Any], whose: Mapping[str, str]) -> list[EngineConfig]:
    facts = {label(name): _fact(value) for name, value in mapping(entry.get("facts")).items()}
    if "hf_config" in facts:
        _check_json_object(facts["hf_config"])
    engines = entry.get("engines")
    if not isinstance(engines, list) or len(engines) > MOST_KEYS:
        raise UnsoundError("engines")
    return [EngineConfig(engine=label(engine), facts=facts, **whose) for engine in engines]


def _check_json_object(text: object) -> None:
    try:
        if not isinstance(text, str):
            raise UnsoundError("hf_config")
        _parse(text.encode())
    except (UnreadableError, UnicodeEncodeError):
        raise UnsoundError("hf_config") from None


def _fact(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= LONGEST_FACT and value.isprintable():
        return value
    return number(value, -1e18, 1e18)


def _request_id(value: object) -> str:
    """Return an id; a client may choose it, so an odd one must not cost the record."""
    return value if isinstance(value, str) and is_label(value) else ""


def _seconds(value: object) -> float:
    return float(number(value, 0.0, MOST_SECONDS))
