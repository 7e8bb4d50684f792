"""What single steps of an engine did, a row of whole numbers each: runs inside vLLM, the standard library only.

What the rows mean is for the exporter to find out (``pentameter.step_time``); here they are taken down and no more.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from pentameter.vllm_plugin_wire import LONGEST_NAME

MOST_ROWS = 800
"""Rows of one message, some 40 kB at most; what lies beyond is forgotten, the oldest first."""

MOST_ADAPTERS = 32
OTHERS = "other"
"""Adapters named in one message; the outputs of further ones are added up under this name."""

MICROSECONDS = 1e6


class StepLog:
    """The steps since the last cut. A row holds, in this order:

    - microseconds since the step before, on the wall clock of the front end; 0 where there is none, or it went back;
    - the shortest time between two outputs of a request that this step ended, in microseconds on the engine's own
      clock; 0 where there is none;
    - outputs that were no first ones: the requests that decoded;
    - first outputs, and those of requests that came back from a preemption: the prefills that this step completed;
    - prompt tokens that these prefills computed, or this step itself where vLLM tells (iteration details);
    - the longest time to first token, in microseconds; 0 where there is none;
    - requests running and waiting for room afterwards: none means that the engine rests.

    Of LoRA adapters vLLM tells how many requests of each are past their first token after a step. As every one of these
    has an output in the next step, that makes the outputs by adapter, first ones left out; what no adapter made, the
    base model did, which is called ``""`` here.
    """

    def __init__(self, *, lora: bool = False) -> None:
        self._rows: list[list[int]] = []
        self._last: float | None = None
        self._lora = lora
        self._decoding: dict[str, int] = {}
        self._outputs: Counter[str] = Counter()

    def take(self, scheduler: Any, iteration: Any, wall: float) -> None:  # noqa: ANN401 - no stable types
        """Take in a step; without the scheduler's part it is none but news of a request."""
        if scheduler is None:
            return
        running, waiting = _whole(scheduler, "num_running_reqs"), _whole(scheduler, "num_waiting_reqs")
        details = getattr(scheduler, "iteration_details", None)
        if running is None or waiting is None or getattr(details, "is_dummy", False):
            return
        time = wall if iteration is None else float(iteration.iteration_timestamp)
        since = 0.0 if self._last is None else max(0.0, time - self._last)
        self._last = time
        gaps = getattr(iteration, "inter_token_latencies_iter", ())
        ttfts = getattr(iteration, "time_to_first_tokens_iter", ())
        resumed = _whole(iteration, "num_preempted_reqs") or 0
        decoded = max(0, len(gaps) - resumed)
        told = _whole(details, "num_ctx_tokens")
        self._rows.append(
            [
                _micro(since),
                _micro(min(gaps, default=0.0)),
                decoded,
                len(ttfts) + resumed,
                _computed(iteration) if told is None else told,
                _micro(max(ttfts, default=0.0)),
                running + waiting,
            ]
        )
        del self._rows[:-MOST_ROWS]
        if self._lora:
            self._take_adapters(scheduler, decoded)

    def _take_adapters(self, scheduler: object, decoded: int) -> None:
        """Count this step's outputs to those who had one in the step before, then see who has one now."""
        for name, decoding in self._decoding.items():
            known = name in self._outputs or len(self._outputs) < MOST_ADAPTERS
            number = min(decoding, decoded)  # a client may have gone meanwhile
            self._outputs[name if known else OTHERS] += number
            decoded -= number
        self._outputs[""] += decoded
        running = getattr(scheduler, "running_lora_adapters", {})
        self._decoding = {str(name)[:LONGEST_NAME]: int(number) for name, number in running.items() if number > 0}

    def cut(self) -> dict[str, Any]:
        """Return what there is to tell since the last cut: ``steps``, and ``adapters`` where vLLM serves any."""
        rows, self._rows = self._rows, []
        outputs, self._outputs = self._outputs, Counter()
        told = {name: number for name, number in outputs.items() if number}
        return {"steps": rows} | ({"adapters": told} if self._lora else {})


def _computed(iteration: object) -> int:
    prompts = getattr(iteration, "prompt_token_stats", None)
    computed = _whole(iteration, "num_prompt_tokens") if prompts is None else _whole(prompts, "computed")
    return computed or 0


def _whole(thing: object, field: str) -> int | None:
    value = getattr(thing, field, None)
    return value if type(value) is int and value >= 0 else None


def _micro(seconds: float) -> int:
    return round(seconds * MICROSECONDS) if 0 <= seconds < math.inf else 0
