"""What vLLM's stat objects say, added up for messages: runs inside vLLM, on the plugin's own thread.

The objects are no stable interface and their fields differ between releases (0.12 to 0.33 are known), so every field is
looked up by name, and left out where it is not there or holds no sound number. An odd value costs itself, not the rest.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from pentameter.sketch import index_of
from pentameter.vllm_plugin_steps import StepLog
from pentameter.vllm_plugin_ttft import FirstTokens
from pentameter.vllm_plugin_wire import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

_PROMPT_TOKENS = {
    "total": "prompt_tokens",
    "computed": "prompt_tokens_computed",
    "cached_tokens": "prompt_tokens_cached",
    "local_cache_hit": "prompt_tokens_local_cache_hit",
    "external_kv_transfer": "prompt_tokens_external",
}
"""Field of vLLM's ``PromptTokenStats`` (from 0.16) -> sum."""


class EngineDigest:
    """The account of one engine, cut into entries of messages.

    Sums, each over what this API server saw since the last entry (tokens unless said otherwise):

    - ``steps``: steps of the engine, and ``running_requests``: the requests running after each, added up. vLLM hands
      the figures of a step to one API server only, so both add up over API servers to the engine's own.
    - ``generation_tokens``, ``prompt_tokens`` (whole prompts, when their prefill is complete) and from vLLM 0.16 of
      these ``prompt_tokens_computed``, ``_cached``, ``_local_cache_hit``, ``_external``; ``preemptions`` (times).
    - ``first_tokens``: requests that had their first token; ``finished_requests``: those that ended. What the second
      lacks is in progress, or was aborted by its client, of which vLLM makes no record.
    - ``ttft_estimates``: finished requests whose TTFT is end-to-end minus decode, because their first token was missed.
    - ``corrupted_requests``: where vLLM looks for NaN in logits.
    - with ``--enable-logging-iteration-details`` (reported from vLLM 0.26): ``detailed_steps`` (not the dummy ones),
      of them ``prefill_steps``, ``decode_steps`` and ``mixed_steps``, ``step_seconds``, and the tokens scheduled,
      ``scheduled_prefill_tokens`` and ``scheduled_decode_tokens``.
    - ``admission_rejections/REASON``: requests turned away; only with one engine, else nothing says whose they were.

    Gauges, the latest: ``running`` and ``waiting`` requests, ``kv_cache_usage`` (ratio of blocks), each with the
    ``wall`` time of its step; ``asleep`` (1 or 0) after vLLM was put to sleep or woken.
    Gaps: seconds between two outputs of a request (an output holds several tokens under speculative decoding), as
    counts by bucket of ``pentameter.sketch``, and their sum.
    Steps: a row for each, and the outputs by LoRA adapter, see ``StepLog``; none where several API servers share the
    engine's outputs, of which each then sees a part.
    """

    def __init__(self, engine: str, *, alone: bool = True, lora: bool = False) -> None:
        self.errors = 0
        """Objects that could not be read, since the start."""
        self._engine = engine
        self._first_tokens = FirstTokens()
        self._steps = StepLog(lora=lora) if alone else None
        self._begin()

    def _begin(self) -> None:
        self._requests: list[dict[str, Any]] = []
        self._sums: defaultdict[str, float] = defaultdict(int)
        self._gauges: dict[str, float] = {}
        self._gaps: Counter[int] = Counter()
        self._gap_sum = 0.0

    def take_step(self, scheduler_stats: object, iteration_stats: object, wall: float) -> None:
        """Take in what vLLM recorded at once; either may be None."""
        if scheduler_stats is not None:
            self._try(self._take_scheduler, scheduler_stats, wall)
        if iteration_stats is not None:
            self._try(self._take_iteration, iteration_stats, wall)
        if self._steps is not None:
            try:
                self._steps.take(scheduler_stats, iteration_stats, wall)
            except Exception:  # noqa: BLE001 - as in _try
                self.errors += 1

    def take_sleep(self, *, asleep: bool) -> None:
        """Take in that vLLM was put to sleep or woken."""
        self._gauges["asleep"] = float(asleep)

    def take_rejection(self, reason: str) -> None:
        """Take in that a request was turned away before it reached the engine."""
        self._sums[f"admission_rejections/{reason[:64]}"] += 1

    def cut(self) -> list[dict[str, Any]]:
        """Return the entries since the last cut."""
        entries = self._requests
        if self._sums or self._gauges or self._gaps:
            entries.append(
                {
                    "kind": "iteration",
                    "engine": self._engine,
                    "sums": self._sums,
                    "gauges": self._gauges,
                    "gaps": self._gaps,
                    "gap_sum": self._gap_sum,
                }
                | (self._steps.cut() if self._steps is not None else {})
            )
        self._begin()
        return entries

    def _try(self, part: Callable[[Any, float], None], stats: object, time: float) -> None:
        try:
            part(stats, time)
        except Exception:  # noqa: BLE001 - whatever a release or another plugin made of the object
            self.errors += 1

    def _take_scheduler(self, stats: object, wall: float) -> None:
        running, waiting = _number(stats, "num_running_reqs"), _number(stats, "num_waiting_reqs")
        gauges = {"running": running, "kv_cache_usage": _number(stats, "kv_cache_usage")}
        if waiting is not None:
            # From 0.20 those that wait for something else than room are counted apart; the metrics page adds them up.
            gauges["waiting"] = waiting + (_number(stats, "num_skipped_waiting_reqs") or 0)
        self._gauges.update({name: value for name, value in gauges.items() if value is not None}, wall=wall)
        self._sums["steps"] += 1
        self._sums["running_requests"] += running or 0
        details = getattr(stats, "iteration_details", None)
        if details is not None and not getattr(details, "is_dummy", False):
            self._take_details(details)

    def _take_details(self, details: object) -> None:
        prefills, decodes = _number(details, "num_ctx_requests"), _number(details, "num_generation_requests")
        if prefills is None or decodes is None:
            return
        kind = ("mixed" if decodes else "prefill") if prefills else "decode"
        self._sums["detailed_steps"] += 1
        self._sums[f"{kind}_steps"] += 1
        self._sums["step_seconds"] += (_number(details, "elapsed_ms") or 0) / 1e3
        self._sums["scheduled_prefill_tokens"] += _number(details, "num_ctx_tokens") or 0
        self._sums["scheduled_decode_tokens"] += _number(details, "num_generation_tokens") or 0

    def _take_iteration(self, stats: object, wall: float) -> None:
        known = _number(stats, "iteration_timestamp")
        step_time = wall if known is None else known
        for part in (self._take_first_tokens, self._take_finished, self._take_gaps, self._take_tokens):
            self._try(part, stats, step_time)

    def _take_first_tokens(self, stats: Any, step_time: float) -> None:  # noqa: ANN401 - no stable type
        ttfts = [float(ttft) for ttft in stats.time_to_first_tokens_iter]
        self._first_tokens.note(step_time, ttfts)
        self._sums["first_tokens"] += len(ttfts)

    def _take_finished(self, stats: Any, step_time: float) -> None:  # noqa: ANN401
        for request in stats.finished_requests:
            self._try(self._take_request, request, step_time)

    def _take_request(self, request: Any, step_time: float) -> None:  # noqa: ANN401
        e2e = float(request.e2e_latency)
        output_tokens = int(request.num_generation_tokens)
        decode, queue = _number(request, "decode_time"), _number(request, "queued_time")
        if queue is not None and queue < 0:
            # It ended before it was scheduled: queue and prefill are then counted from zero on the engine's clock.
            queue = prefill = None
        else:
            prefill = _number(request, "prefill_time")
        ttft = self._first_tokens.find(step_time - e2e, e2e - (decode or 0.0))
        if output_tokens == 0:
            ttft = decode = None  # vLLM times the end of a request that brought nothing as if it were a token
        elif ttft is None or ttft < 0:
            ttft = self._estimate(e2e, decode)
        reason = request.finish_reason
        entry = {
            "kind": "request",
            "engine": self._engine,
            "request_id": str(getattr(request, "request_id", None) or "")[:LONGEST_NAME],
            "finish_reason": str(getattr(reason, "name", reason)).lower(),
            "arrival": step_time - e2e,
            "e2e": e2e,
            "ttft": ttft,
            "decode": decode,
            "queue": queue,
            "prefill": prefill,
            "prompt_tokens": _count(request, "num_prompt_tokens"),
            "output_tokens": output_tokens,
            "cached_tokens": _count(request, "num_cached_tokens"),
            "preemptions": _count(request, "num_preemptions"),
        }
        self._requests.append({name: value for name, value in entry.items() if value is not None})
        self._sums["finished_requests"] += 1

    def _estimate(self, e2e: float, decode: float | None) -> float | None:
        """Return end-to-end minus decode: off by how much longer the last output lay in front of us than the first."""
        if decode is None or e2e < decode:
            return None
        self._sums["ttft_estimates"] += 1
        return e2e - decode

    def _take_gaps(self, stats: object, _step_time: float) -> None:
        gaps = getattr(stats, "inter_token_latencies_iter", None)
        # Whoever decoded in this step and in the one before waited equally long, to the bit: few values, often.
        for gap, times in Counter(gaps or ()).items():
            if 0 <= gap < math.inf:
                self._gaps[index_of(gap)] += times
                self._gap_sum += gap * times

    def _take_tokens(self, stats: object, _step_time: float) -> None:
        prompts = getattr(stats, "prompt_token_stats", None)
        if prompts is None:
            self._add("prompt_tokens", _number(stats, "num_prompt_tokens"))
        else:
            for field, name in _PROMPT_TOKENS.items():
                self._add(name, _number(prompts, field))
        self._add("generation_tokens", _number(stats, "num_generation_tokens"))
        self._add("preemptions", _number(stats, "num_preempted_reqs"))
        if corrupted := _number(stats, "num_corrupted_reqs"):
            self._add("corrupted_requests", corrupted)

    def _add(self, name: str, value: float | None) -> None:
        if value is not None:
            self._sums[name] += value


def _number(thing: object, field: str) -> float | None:
    """Return a field that holds a finite number."""
    value = getattr(thing, field, None)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _count(thing: object, field: str) -> int | None:
    """Return a field that holds a whole number of things; vLLM writes -1 for unknown ones."""
    value = getattr(thing, field, None)
    return value if type(value) is int and value >= 0 else None
