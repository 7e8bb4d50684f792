"""One engine: vLLM V1's scheduler, advanced step by step to any simulated time.

A step costs O(1) however many requests decode, because a decode step does the same to all of them (``batch``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pentameter.simulator.batch import DecodeBatch
from pentameter.simulator.kv_blocks import KvBlocks
from pentameter.simulator.patience import Deadlines
from pentameter.simulator.reports import FirstToken, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.simulator.counters import EngineCounters
    from pentameter.simulator.power import PowerMeter
    from pentameter.simulator.presets import Preset
    from pentameter.simulator.traffic import Request

NEVER = float("inf")


class Engine:
    """A continuous-batching engine; it publishes into ``counters`` at the end of each step, as vLLM does.

    ``observer``, where there is one, is then called with the step, as vLLM calls its stat loggers.
    """

    def __init__(self, preset: Preset, counters: EngineCounters, meter: PowerMeter) -> None:
        self.counters = counters
        self.observer: Callable[[Step], None] | None = None
        self.arrived = 0
        self.kv = KvBlocks(preset.num_gpu_blocks, preset.scheduling.block_size, len(preset.traffic.prefixes))
        self._costs = preset.costs
        self._model = preset.model
        self._limits = preset.scheduling
        self._meter = meter

        self._waiting: deque[Request] = deque()
        self._running: dict[int, Request] = {}  # in order of admission
        self._batch = DecodeBatch(preset.scheduling.block_size)  # those of the running ones that are prefilled
        self._partial: Request | None = None  # a prompt that did not fit into the step's budget
        self._completing: list[Request] = []  # prefills that end with this step
        self._deadlines = Deadlines()

        self._step = Step(NEVER, NEVER)  # the one in progress
        self._prefilled = 0
        self._pairs = 0  # of a prompt token and a token it attends to
        self._reread = 0  # context tokens that the prompt chunks find in the cache

    @property
    def waiting_count(self) -> int:
        """Return the requests in the queue now; the gauge is that of the last step's end."""
        return len(self._waiting)

    @property
    def running_count(self) -> int:
        """Return the requests in the batch now."""
        return len(self._running)

    def submit(self, request: Request) -> None:
        """Queue a request that arrives now; the engine must have been advanced to its arrival."""
        self.arrived += 1
        self._waiting.append(request)
        self._deadlines.add(request)
        if self._step.end == NEVER:
            self._begin_step(request.arrival)

    def advance_to(self, time: float) -> None:
        """Finish every step that ends at or before a time."""
        while self._step.end <= time:
            now = self._step.end
            self._finish_step(now)
            if self._running or self._waiting:
                self._begin_step(now)
            else:
                self._step = Step(NEVER, NEVER)

    # ------------------------------------------------------------------ a step begins

    def _begin_step(self, now: float) -> None:
        self._step = Step(now, NEVER)
        preempted = self._make_room(now)
        if self._batch.size:
            self.kv.take(self._batch.blocks_wanted)
            self._batch.step()

        self._prefilled = self._pairs = self._reread = 0
        budget = self._limits.max_num_batched_tokens - self._batch.size
        if self._partial is not None:
            self._prefill_chunk(self._partial, budget)
        # Like vLLM: who has just been preempted is not readmitted in the same step.
        if not preempted:
            self._admit(now, budget)
        self._account()

    def _account(self) -> None:
        """Turn the work of a step into seconds, FLOPs, bytes and watts."""
        costs, model, step = self._costs, self._model, self._step
        step.decoded = decoding = self._batch.size
        context_tokens = self._batch.context_tokens
        seconds = (
            costs.per_step
            + costs.per_decode * decoding
            + costs.per_prefill_token * self._prefilled
            + costs.per_context_token * context_tokens
        )
        step.flops = (
            2.0 * model.layer_parameters * (decoding + self._prefilled)
            + 2.0 * model.head_parameters * (decoding + len(self._completing))
            + float(model.attention_flops_per_pair) * (context_tokens + self._pairs)
        )
        kv_read = float(model.kv_bytes_per_token) * (context_tokens + self._reread)
        step.read_bytes = model.weight_bytes_read_per_step + kv_read
        step.written_bytes = float(model.kv_bytes_per_token) * (decoding + self._prefilled)
        step.end = step.start + seconds
        self._meter.add_work(step.start, step.end, step.flops, step.read_bytes + step.written_bytes)

    def _make_room(self, now: float) -> bool:
        """Preempt, latest first, until the next tick's blocks are free."""
        preempted = False
        while self._batch.size and self._batch.blocks_wanted > self.kv.free:
            _, victim = self._running.popitem()
            self._preempt(victim, now)
            preempted = True
        return preempted

    def _preempt(self, victim: Request, now: float) -> None:
        if victim is self._partial:
            self._partial = None
        else:
            self._batch.remove(victim)
            victim.last_token_at = now
        self.kv.preempt(victim)
        victim.target = victim.prompt_tokens + victim.generated
        victim.computed = 0
        victim.preemptions += 1
        victim.unreported_preemptions += 1
        self._waiting.appendleft(victim)

    def _admit(self, now: float, budget: int) -> None:
        """Admit from the head of the queue while tokens, seats and blocks last."""
        waiting, running, step = self._waiting, self._running, self._step
        while waiting and self._prefilled < budget and len(running) < self._limits.max_num_seqs:
            request = waiting[0]
            if not self.kv.try_admit(request):
                break
            waiting.popleft()
            running[request.number] = request
            if request.scheduled_at is None:
                request.scheduled_at = now
                request.cached_tokens = request.computed
                step.prefix_queries += request.prompt_tokens
                step.prefix_hits += request.computed
            self._prefill_chunk(request, budget - self._prefilled)

    def _prefill_chunk(self, request: Request, budget: int) -> None:
        """Schedule as much of a prompt as the budget allows."""
        before = request.computed
        after = min(request.target, before + budget)
        request.computed = after
        if after == request.target:
            self._partial = None
            self._completing.append(request)
        else:
            self._partial = request
        self._prefilled += after - before
        # Causal: the token at position i attends to i + 1 tokens.
        self._pairs += (after * (after + 1) - before * (before + 1)) // 2
        self._reread += before

    # ------------------------------------------------------------------ a step ends

    def _finish_step(self, now: float) -> None:
        step = self._step
        for deadline, request in self._deadlines.pop_missed(now):
            self._give_up(request, deadline)
        for request in self._batch.pop_complete():
            self._end(request)
        for request in self._completing:
            self._finish_prefill(request, now)
        self._completing.clear()
        step.running = len(self._running)
        step.waiting = len(self._waiting)
        step.kv_usage = self.kv.usage
        self.counters.count_step(step)
        if self.observer is not None:
            self.observer(step)

    def _give_up(self, request: Request, deadline: float) -> None:
        """Take out a request whose client left while the step ran: what the step made for it goes to nobody."""
        if request.number in self._running:
            del self._running[request.number]
            self.kv.release(request)
            if request is self._partial:
                self._partial = None
            else:
                self._completing.remove(request)
        else:
            self._waiting.remove(request)
        self._step.abandon(request, deadline)

    def _finish_prefill(self, request: Request, now: float) -> None:
        """Emit the token that ends a prefill."""
        step = self._step
        if request.generated == 0:
            request.first_token_at = now
            step.first_tokens.append(FirstToken(request.arrival, request.prompt_tokens, request.cached_tokens))
        else:
            step.resumed_gaps.append(now - request.last_token_at)
        # vLLM learns of a preemption with the request's next output, not when it happens.
        step.preemptions += request.unreported_preemptions
        request.unreported_preemptions = 0
        request.generated += 1
        if request.generated == request.stays_for:
            self._end(request)
        else:
            self._batch.join(request)

    def _end(self, request: Request) -> None:
        """Let a request go that has the last token for which it stays."""
        del self._running[request.number]
        self.kv.release(request)
        if request.leaves_early:
            self._step.abandon(request, self._step.end)
        else:
            self._step.finish(request)
