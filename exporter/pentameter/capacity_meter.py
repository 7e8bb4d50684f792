"""Feeds the estimate of goodput capacity: one book per server, model and SLO.

A part of the meter, with its rule: nothing here waits, reads a clock or does I/O.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pentameter.capacity.estimate import Capacity, Limits
from pentameter.capacity.memory import CapacityBook, fingerprint
from pentameter.capacity.windows import LoadWindows
from pentameter.slo import Verdict
from pentameter.world import CapacityOf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pentameter.attribution import Place
    from pentameter.ledger import Judged
    from pentameter.readings import EngineReading, VllmReading
    from pentameter.records import EngineConfig
    from pentameter.slo import Slo

ESTIMATE_EVERY_SECONDS = 60.0

_PAGE_FACTS = ("block_size", "cache_dtype", "enable_prefix_caching", "gpu_memory_utilization")
"""Of vLLM's cache_config_info. Not the number of blocks: profiling finds a few more or fewer at every start."""

_CONFIG_FACTS = (
    "max_num_seqs",
    "max_num_batched_tokens",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "dtype",
    "quantization",
)


class _Follower:
    """What is collected and remembered for one SLO of one model on one server."""

    def __init__(self, slo: Slo, since: float) -> None:
        self.slo = slo
        self.windows = LoadWindows(since, slo.target)
        self.book = CapacityBook(Limits(slo.target, backlog_seconds=slo.thresholds.get("ttft", 1.0)))
        self.config_mark = ""
        self.capacity = Capacity("unknown")
        self.estimated_at: float | None = None

    def take(self, judged: Judged) -> None:
        judgement, tokens = judged.judgement, (judged.output_tokens, judged.prompt_tokens)
        if judgement.verdict is Verdict.EXCLUDED:
            self.windows.add_excluded(judged.arrival, *tokens)
            return
        good = judgement.verdict is Verdict.GOOD
        self.windows.add_request(judged.arrival, judgement.score, good, judgement.margins, *tokens)

    def configure(self, page_mark: str, config_mark: str, max_num_seqs: int | None) -> None:
        """Forget what was learnt under another configuration."""
        self.book.configure(page_mark)
        if config_mark:
            if self.config_mark not in ("", config_mark):
                self.book = CapacityBook(self.book.limits)
                self.book.configure(page_mark)
            self.config_mark = config_mark
        self.book.limits = replace(self.book.limits, max_num_seqs=max_num_seqs)

    def advance(self, now: float, wall: float) -> None:
        mature = self.windows.advance(now)
        self.book.add(mature, monotonic=now, wall=wall)
        if self.estimated_at is None or now - self.estimated_at >= ESTIMATE_EVERY_SECONDS:
            self.capacity = self.book.estimate(wall)
            self.estimated_at = now


class CapacityMeter:
    """Keeps a follower for every SLO of every model that records speak of."""

    def __init__(self, slos: Sequence[Slo]) -> None:
        self._slos = tuple(slos)
        self._followers: dict[tuple[str, str, str], _Follower] = {}
        self._engines: dict[tuple[str, str], tuple[str, ...]] = {}
        self._page_marks: dict[tuple[str, str], str] = {}
        self._restored: dict[tuple[str, str, str], tuple[str, object]] = {}
        self._recorded: set[tuple[str, str]] = set()
        self._observed_at: float | None = None

    def take_judged(self, judged: Judged) -> None:
        """Take in a request with its verdict."""
        follower = self._followers.get((judged.place.server, judged.place.model_name, judged.slo.name))
        if follower is not None:
            follower.take(judged)

    def take_page(self, reading: VllmReading, *, restarted: bool) -> None:
        """Take in how full the engines are."""
        models: dict[str, list[EngineReading]] = {}
        for engine in reading.engines:
            models.setdefault(engine.model_name, []).append(engine)
        for model, engines in models.items():
            key = (reading.server, model)
            self._engines[key] = tuple(engine.engine for engine in engines)
            facts = {fact: engines[0].cache_config.get(fact) for fact in _PAGE_FACTS}
            self._page_marks[key] = fingerprint({**facts, "version": reading.version, "engines": len(engines)})
            for follower in self._of(key):
                if restarted:
                    follower.windows.reset(reading.monotonic)
                follower.windows.add_gauges(
                    reading.monotonic,
                    _total(engines, "running"),
                    _total(engines, "waiting"),
                    _fullest(engines),
                )

    def observe(
        self, now: float, wall: float, recorded: Iterable[Place], configs: Mapping[Place, EngineConfig]
    ) -> None:
        """Move on to a moment; ``recorded`` are the engines all of whose finished requests leave a record now."""
        places = {(place.server, place.model_name) for place in recorded}
        for key in places:
            for slo in self._slos:
                if slo.is_for(key[1]) and (*key, slo.name) not in self._followers:
                    self._followers[(*key, slo.name)] = self._begin(key, slo, now)
        for (server, model, _), follower in self._followers.items():
            key = (server, model)
            if key not in places and self._observed_at is not None:
                follower.windows.invalidate(self._observed_at, now)
            here = [config for place, config in configs.items() if (place.server, place.model_name) == key]
            follower.configure(self._page_marks.get(key, ""), _config_mark(here), _seats(here))
            follower.advance(now, wall)
        self._recorded = places
        self._observed_at = now

    def known(self) -> Iterator[CapacityOf]:
        """Yield what is known of every SLO's capacity, of the engines whose records are complete."""
        for (server, model, _), follower in self._followers.items():
            if (server, model) in self._recorded:
                engines = self._engines.get((server, model), ())
                engine = engines[0] if len(engines) == 1 else ""
                yield CapacityOf(server, model, engine, follower.slo, follower.capacity)

    def to_state(self) -> dict[str, Any]:
        """Return what has been learnt, as JSON can hold it."""
        kept = [
            {"server": server, "model": model, "slo": name, "config": mark, "book": book}
            for (server, model, name), (mark, book) in self._restored.items()
        ]
        kept += [
            {
                "server": server,
                "model": model,
                "slo": _mark(follower.slo),
                "config": follower.config_mark,
                "book": follower.book.to_state(),
            }
            for (server, model, _), follower in self._followers.items()
        ]
        return {"capacities": kept}

    def restore(self, state: object) -> None:
        """Take over what was learnt before a restart; raises ``ValueError`` for what ``to_state`` has not written."""
        entries = state.get("capacities") if isinstance(state, dict) else None
        if not isinstance(entries, list):
            message = "no list of capacities"
            raise ValueError(message)
        found: dict[tuple[str, str, str], tuple[str, object]] = {}
        for entry in entries:
            match entry:
                case {"server": str(server), "model": str(model), "slo": str(slo), "config": str(config), "book": book}:
                    # Read once now, so that a bad file is found at the start and not when the first request comes.
                    CapacityBook.from_state(book, Limits())
                    found[server, model, slo] = (config, book)
                case _:
                    message = "a capacity of nobody"
                    raise ValueError(message)
        self._restored = found

    def _begin(self, key: tuple[str, str], slo: Slo, now: float) -> _Follower:
        follower = _Follower(slo, now)
        config, book = self._restored.pop((*key, _mark(slo)), ("", None))
        if book is not None:
            follower.book = CapacityBook.from_state(book, follower.book.limits)
            follower.config_mark = config
        return follower

    def _of(self, key: tuple[str, str]) -> Iterator[_Follower]:
        for slo in self._slos:
            follower = self._followers.get((*key, slo.name))
            if follower is not None:
                yield follower


def _mark(slo: Slo) -> str:
    """Return a text that changes with whatever makes it another SLO: verdicts of one say nothing of another."""
    asked = ",".join(f"{objective}={seconds:g}" for objective, seconds in sorted(slo.thresholds.items()))
    policy = slo.policy
    how = ",".join((policy.aborted, policy.failed, policy.rejected, policy.one_token, policy.preempted))
    return f"{slo.name} {slo.target:g} {asked} {how}"


def _config_mark(configs: Sequence[EngineConfig]) -> str:
    if not configs:
        return ""
    return fingerprint({fact: configs[0].facts.get(fact) for fact in _CONFIG_FACTS})


def _seats(configs: Sequence[EngineConfig]) -> int | None:
    """Return the seats in the batch of all engines, or None where a plugin does not say it."""
    seats = [config.facts.get("max_num_seqs") for config in configs]
    known = [seat for seat in seats if isinstance(seat, int)]
    return sum(known) if known and len(known) == len(seats) else None


def _total(engines: Sequence[EngineReading], gauge: str) -> float | None:
    values = [engine.gauges.get(gauge) for engine in engines]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _fullest(engines: Sequence[EngineReading]) -> float | None:
    """Return the use of the fullest KV cache: it is the first to preempt."""
    return max(
        (engine.gauges["kv_cache_usage"] for engine in engines if "kv_cache_usage" in engine.gauges), default=None
    )
