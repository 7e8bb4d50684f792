"""One engine: vLLM V1's scheduler, advanced step by step to any simulated time.

A step costs O(1) however many requests decode, because a decode step does the same to all of them. A
``tick`` counts the decode steps; a request that joins the batch at tick d with n tokens to go leaves at
tick d + n, and takes a new KV block whenever the tick has the right remainder of the block size.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pentameter.simulator.kv_blocks import KvBlocks

if TYPE_CHECKING:
    from pentameter.simulator.counters import EngineCounters
    from pentameter.simulator.power import PowerMeter
    from pentameter.simulator.presets import Preset
    from pentameter.simulator.traffic import Request

NEVER = float("inf")


class Engine:
    """A continuous-batching engine; it publishes into ``counters`` at the end of each step, as vLLM does."""

    def __init__(self, preset: Preset, counters: EngineCounters, meter: PowerMeter) -> None:
        self.counters = counters
        self.arrived = 0
        self.kv = KvBlocks(preset.num_gpu_blocks, preset.scheduling.block_size, len(preset.traffic.prefixes))
        self._costs = preset.costs
        self._model = preset.model
        self._limits = preset.scheduling
        self._meter = meter

        self._waiting: deque[Request] = deque()
        self._running: dict[int, Request] = {}  # in order of admission
        self._tick = 0
        self._leaving: dict[int, list[Request]] = {}  # tick -> who generates the last token then
        self._block_wanted = [0] * self._limits.block_size  # tick remainder -> who takes a block then
        self._decoding = 0
        self._context_tokens = 0  # of all decoding requests

        self._partial: Request | None = None  # a prompt that did not fit into the step's budget
        self._step_start = 0.0
        self._step_end = NEVER
        self._completing: list[Request] = []  # prefills that end with this step
        # What the step in progress does, published when it ends.
        self._prefilled = 0
        self._pairs = 0  # of a prompt token and a token it attends to
        self._reread = 0  # context tokens that the prompt chunks find in the cache
        self._queried = 0
        self._hit = 0
        self._flops = self._read_bytes = self._written_bytes = 0.0

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
        if self._step_end == NEVER:
            self._begin_step(request.arrival)

    def advance_to(self, time: float) -> None:
        """Finish every step that ends at or before a time."""
        while self._step_end <= time:
            now = self._step_end
            self._finish_step(now)
            if self._running or self._waiting:
                self._begin_step(now)
            else:
                self._step_end = NEVER

    # ------------------------------------------------------------------ a step begins

    def _begin_step(self, now: float) -> None:
        self._step_start = now
        preempted = self._make_room(now)
        decoding = self._decoding
        if decoding:
            self._tick += 1
            self._context_tokens += decoding
            self.kv.take(self._block_wanted[self._tick % self._limits.block_size])

        self._prefilled = self._pairs = self._reread = 0
        budget = self._limits.max_num_batched_tokens - decoding
        if self._partial is not None:
            self._prefill_chunk(self._partial, budget)
        # Like vLLM: who has just been preempted is not readmitted in the same step.
        if not preempted:
            self._admit(now, budget)
        self._account(decoding)

    def _account(self, decoding: int) -> None:
        """Turn the work of a step into seconds, FLOPs, bytes and watts."""
        costs, model = self._costs, self._model
        seconds = (
            costs.per_step
            + costs.per_decode * decoding
            + costs.per_prefill_token * self._prefilled
            + costs.per_context_token * self._context_tokens
        )
        self._flops = (
            2.0 * model.layer_parameters * (decoding + self._prefilled)
            + 2.0 * model.head_parameters * (decoding + len(self._completing))
            + float(model.attention_flops_per_pair) * (self._context_tokens + self._pairs)
        )
        kv_read = float(model.kv_bytes_per_token) * (self._context_tokens + self._reread)
        self._read_bytes = model.weight_bytes_read_per_step + kv_read
        self._written_bytes = float(model.kv_bytes_per_token) * (decoding + self._prefilled)
        self._step_end = self._step_start + seconds
        moved = self._read_bytes + self._written_bytes
        self._meter.add_work(self._step_start, self._step_end, self._flops, moved)

    def _make_room(self, now: float) -> bool:
        """Preempt, latest first, until the next tick's blocks are free."""
        block_size = self._limits.block_size
        preempted = False
        while self._decoding and self._block_wanted[(self._tick + 1) % block_size] > self.kv.free:
            _, victim = self._running.popitem()
            self._preempt(victim, now)
            preempted = True
        return preempted

    def _preempt(self, victim: Request, now: float) -> None:
        if victim is self._partial:
            self._partial = None
        else:
            self._leaving[victim.joined_at_tick + victim.output_tokens - victim.generated].remove(victim)
            self._leave_batch(victim)
            victim.last_token_at = now
        self.kv.preempt(victim)
        victim.target = victim.prompt_tokens + victim.generated
        victim.computed = 0
        victim.preemptions += 1
        victim.unreported_preemptions += 1
        self._waiting.appendleft(victim)

    def _admit(self, now: float, budget: int) -> None:
        """Admit from the head of the queue while tokens, seats and blocks last."""
        waiting, running = self._waiting, self._running
        while waiting and self._prefilled < budget and len(running) < self._limits.max_num_seqs:
            request = waiting[0]
            if not self.kv.try_admit(request):
                break
            waiting.popleft()
            running[request.number] = request
            if request.scheduled_at is None:
                request.scheduled_at = now
                request.cached_tokens = request.computed
                self._queried += request.prompt_tokens
                self._hit += request.computed
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
        counters, decoding = self.counters, self._decoding
        outputs = decoding + len(self._completing)
        if decoding:
            counters.inter_token.observe(now - self._step_start, decoding)
            for request in self._leaving.pop(self._tick, ()):
                del self._running[request.number]
                self._leave_batch(request)
                self.kv.release(request)
                counters.count_finished(request, now)
        computed_prompts = self._finish_prefills(now) if self._completing else 0
        if outputs:
            counters.generation_tokens += outputs
            counters.iteration_tokens.observe(computed_prompts + outputs)
        counters.flops += self._flops
        counters.read_bytes += self._read_bytes
        counters.write_bytes += self._written_bytes
        if self._queried:
            counters.prefix_queries += self._queried
            counters.prefix_hits += self._hit
            self._queried = self._hit = 0
        counters.running = len(self._running)
        counters.waiting = len(self._waiting)
        counters.kv_usage = self.kv.usage

    def _finish_prefills(self, now: float) -> int:
        """Emit the token that ends each prefill; return the prompt tokens computed for first tokens."""
        counters, computed_prompts = self.counters, 0
        for request in self._completing:
            if request.generated == 0:
                request.first_token_at = now
                counters.count_first_token(request, now)
                computed_prompts += request.prompt_tokens - request.cached_tokens
            else:
                counters.inter_token.observe(now - request.last_token_at)
            # vLLM learns of a preemption with the request's next output, not when it happens.
            counters.preemptions += request.unreported_preemptions
            request.unreported_preemptions = 0
            request.generated += 1
            if request.generated == request.output_tokens:
                del self._running[request.number]
                self.kv.release(request)
                counters.count_finished(request, now)
            else:
                self._join_batch(request)
        self._completing.clear()
        return computed_prompts

    def _join_batch(self, request: Request) -> None:
        request.joined_at_tick = self._tick
        remaining = request.output_tokens - request.generated
        self._leaving.setdefault(self._tick + remaining, []).append(request)
        self._block_wanted[self._block_phase(request)] += 1
        self._decoding += 1
        self._context_tokens += request.computed

    def _leave_batch(self, request: Request) -> None:
        """Take a request out of the batch and bring its own figures up to date."""
        self._block_wanted[self._block_phase(request)] -= 1
        ticks = self._tick - request.joined_at_tick
        request.generated += ticks
        request.computed += ticks
        request.private_blocks = self.kv.blocks_for(request.computed) - request.prefix_tokens // self._limits.block_size
        self._decoding -= 1
        self._context_tokens -= request.computed

    def _block_phase(self, request: Request) -> int:
        """Return the tick remainder at which the request's next token falls into a new block."""
        return (request.joined_at_tick + 1 - request.computed) % self._limits.block_size
