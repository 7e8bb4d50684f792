"""The state about a model's work between readings: which model, and its FLOPs and bytes so far.

A part of the meter with the same rule: readings come in by ``take_*``, nothing here waits, reads a clock or does I/O.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.dimensions.computation import PHASES
from pentameter.dimensions.kv_cache import kv_capacity_tokens, live_tokens
from pentameter.dimensions.timing import computed_prompt_tokens
from pentameter.model.contexts import reaches
from pentameter.model.flops import phase_flops, prefill_flops
from pentameter.model.moved import moved
from pentameter.model.parallel import flops_per_gpu
from pentameter.model.spec import Precision
from pentameter.recorded_contexts import RecordedContexts
from pentameter.served_models import UNSUPPORTED, ModelPlan, resolve, with_contexts
from pentameter.windows import Continuity, Interval, Track
from pentameter.work import (
    contexts_by_page,
    counted,
    kinds_of_steps,
    spread,
    traffic,
)
from pentameter.world import Rolled, UnknownModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pentameter.attribution import Place
    from pentameter.readings import EngineReading, ModelReading
    from pentameter.records import EngineConfig, FinishedRequest
    from pentameter.windows import Window
    from pentameter.work import Contexts, Counted
    from pentameter.world import ServedModel


class _Account:
    """The work of one engine so far; bytes and FLOPs are per GPU."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self.track = Track(windows)
        self.model: ServedModel | UnknownModel = UnknownModel("not_found")
        self.inputs: tuple[object, ...] = ()
        self.totals: defaultdict[str, float] = defaultdict(float)
        self.contexts = RecordedContexts()
        self.context: float | None = None
        """Mean length of the running sequences when last some ran."""

    def stop(self, windows: Sequence[Window]) -> None:
        """Count no longer: what happens until it can be counted again must not look like idleness."""
        if self.totals:
            self.track = Track(windows)
            self.totals = defaultdict(float)
            self.contexts = RecordedContexts()


class WorkMeter:
    """Keeps the accounts of work."""

    def __init__(self, windows: Sequence[Window], plans: Mapping[str, ModelPlan]) -> None:
        self._windows = tuple(windows)
        self._plans = plans
        self._found: dict[str, ModelReading] = {}
        self._accounts: dict[Place, _Account] = {}

    def take_model(self, reading: ModelReading) -> None:
        """Take in what was found in files."""
        self._found[reading.server] = reading

    def take_request(self, place: Place, request: FinishedRequest) -> None:
        """Take in a finished request, for its contexts."""
        account = self._accounts.get(place)
        if account is not None and not isinstance(account.model, UnknownModel):
            model = account.model
            account.contexts.end(request, reaches(model.spec), model.max_num_batched_tokens)

    def take_page(
        self,
        place: Place,
        reading: EngineReading,
        interval: Interval | None,
        monotonic: float,
        *,
        told: EngineConfig | None,
        gpus_per_engine: int | None,
        recorded: bool,
    ) -> None:
        """Take in what a page's counters grew by.

        Args:
            place: whose page.
            reading: the engine on the page.
            interval: what happened since the page before; None at the first.
            monotonic: when the page was read.
            told: what the plugin says of the engine.
            gpus_per_engine: as ``served_models.resolve`` takes it.
            recorded: whether records of its requests come now, all of them, so that they tell the others' contexts.
        """
        account = self._accounts.get(place)
        if account is None:
            account = self._accounts[place] = _Account(self._windows)
        self._resolve(account, place, reading, told, gpus_per_engine)
        model = account.model
        # The page as if all on it had just happened: it tells whether the page has what is needed.
        if isinstance(model, UnknownModel) or _counted(Interval(1.0, reading.counters, reading.histograms)) is None:
            account.stop(self._windows)
            return
        if not account.totals:
            # All begin at nothing, before the first interval is counted.
            account.totals.update(dict.fromkeys(KEYS, 0.0))
            begin = monotonic - (interval.seconds if interval else 0.0)
            account.track.observe(begin, account.totals, {}, Continuity.SAME)
        account.model = model = with_contexts(model, "records" if recorded else "page")
        done = _counted(interval) if interval else None
        if done is not None and interval is not None:
            by_page = self._page_contexts(account, model, done, reading, interval)
            contexts = account.contexts.make(done, by_page, interval.seconds, trusted=recorded)
            _book(account.totals, model, done, contexts, _decoding(interval))
        account.track.observe(monotonic, account.totals, {}, Continuity.SAME)

    def _page_contexts(
        self, account: _Account, model: ServedModel, done: Counted, reading: EngineReading, interval: Interval
    ) -> Contexts:
        capacity = kv_capacity_tokens(reading.cache_config)
        lengths = []
        for gauges in (interval.gauges_before, interval.gauges_after):
            running, usage = gauges.get("running"), gauges.get("kv_cache_usage")
            if running and usage is not None and capacity is not None:
                lengths.append(live_tokens(usage * capacity, running, model.block_size) / running)
        if lengths:
            account.context = sum(lengths) / len(lengths)
        return contexts_by_page(
            done,
            reaches(model.spec),
            account.context,
            spread(reading.histograms.get("request_prompt_tokens")),
            model.max_num_batched_tokens,
        )

    def _resolve(
        self,
        account: _Account,
        place: Place,
        reading: EngineReading,
        told: EngineConfig | None,
        gpus_per_engine: int | None,
    ) -> None:
        """Find out anew which model it is where anything that tells it has changed."""
        found = self._found.get(place.server)
        page = reading.cache_config
        inputs = (told, found, gpus_per_engine, page.get("cache_dtype"), page.get("block_size"))
        if inputs != account.inputs:
            account.inputs = inputs
            plan = self._plans.get(place.server, ModelPlan())
            account.model = resolve(plan, told, found, page, gpus_per_engine)

    def model(self, place: Place) -> ServedModel | None:
        """Return the model of an engine, if it is known."""
        account = self._accounts.get(place)
        return None if account is None or isinstance(account.model, UnknownModel) else account.model

    def unknown(self, place: Place) -> UnknownModel | None:
        """Return why the model of an engine is not known."""
        account = self._accounts.get(place)
        return account.model if account is not None and isinstance(account.model, UnknownModel) else None

    def unsupported(self) -> Iterator[tuple[Place, str]]:
        """Yield the engines whose model is known and not understood, and why."""
        for place, account in self._accounts.items():
            if isinstance(account.model, UnknownModel) and account.model.reason == UNSUPPORTED:
                yield place, account.model.message

    def rolled(self, place: Place) -> Rolled:
        """Return the work of an engine over each window and since the last call, which may be nothing yet."""
        account = self._accounts.get(place)
        if account is None or isinstance(account.model, UnknownModel) or not account.totals:
            return Rolled()
        rolled = Rolled.of(account.track, self._windows)
        return rolled if rolled.tick else replace(rolled, tick=Interval(0.0, dict.fromkeys(KEYS, 0.0)))

    def forget(self, place: Place) -> None:
        """Drop an engine that left long ago."""
        self._accounts.pop(place, None)


KEYS = (
    *(f"flops/{phase}/{precision}" for phase in PHASES for precision in Precision),
    *(f"{what}/{phase}" for what in ("weights", "kv", "written") for phase in PHASES),
    *(f"steps/{kind}" for kind in ("all", "decode", "prefill", "mixed")),
    *("tokens/prefill", "tokens/decode", "saved/tokens", "saved/flops"),
)
"""FLOPs and bytes are per GPU; steps, tokens and what the prefix cache saved are of the engine."""


def _counted(interval: Interval) -> Counted | None:
    return counted(interval, computed=computed_prompt_tokens(interval))


def _decoding(interval: Interval) -> float:
    """Return the mean number of requests that decoded: the sum of the gaps between their tokens over the time.

    Without these gaps the mean of the running ones at both ends.
    """
    gaps = interval.histograms.get("inter_token")
    if gaps is not None:
        return max(0.0, gaps.sum) / interval.seconds
    held = [gauges["running"] for gauges in (interval.gauges_before, interval.gauges_after) if "running" in gauges]
    return sum(held) / len(held) if held else 0.0


def _book(totals: dict[str, float], model: ServedModel, done: Counted, contexts: Contexts, decoding: float) -> None:
    """Add what the counted tokens and steps cost."""
    spec, share = model.spec, flops_per_gpu(model.parallel)
    samples = {"prefill": done.prompts, "decode": done.decoded}
    tokens = {"prefill": done.computed, "decode": done.decoded}
    seen = {"prefill": contexts.prefill, "decode": contexts.decode}
    for phase in PHASES:
        by_precision = phase_flops(spec, tokens[phase], samples[phase], seen[phase], decode=phase == "decode")
        for precision, flops in by_precision.items():
            totals[f"flops/{phase}/{precision}"] += share * flops
        totals[f"tokens/{phase}"] += tokens[phase]
    steps = kinds_of_steps(done, decoding, model.max_num_batched_tokens)
    for kind, number in (
        ("all", done.steps),
        ("decode", steps.decode),
        ("prefill", steps.prefill),
        ("mixed", steps.mixed),
    ):
        totals[f"steps/{kind}"] += number
    bytes_ = moved(spec, model.parallel, traffic(done, steps, contexts), model.kv_bits)
    for phase, weights, kv, written in (
        ("prefill", bytes_.prefill_weights, bytes_.prefill_kv, bytes_.prefill_written),
        ("decode", bytes_.decode_weights, bytes_.decode_kv, bytes_.decode_written),
    ):
        totals[f"weights/{phase}"] += weights
        totals[f"kv/{phase}"] += kv
        totals[f"written/{phase}"] += written
    totals["saved/tokens"] += done.cached
    if done.prompts > 0 and done.cached > 0:
        prompt, cached = (done.computed + done.cached) / done.prompts, done.cached / done.prompts
        whole = prefill_flops(spec, prompt) - prefill_flops(spec, prompt, cached)
        totals["saved/flops"] += done.prompts * whole
