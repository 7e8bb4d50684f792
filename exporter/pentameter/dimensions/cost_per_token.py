"""What a million tokens cost at the present throughput, blended and by kind (lecture: "Cost per Token Evolution")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost.split import Tokens, UnitCosts, measured_costs, ratio_costs, ratio_share, share
from pentameter.dimensions.computation import model_flops
from pentameter.dimensions.economics import dollars_per_million, total_per_hour
from pentameter.dimensions.timing import computed_prompt_tokens
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.step_time import PHASES, STEP_SECONDS, STEP_TOKENS
from pentameter.units import MILLION, SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pentameter.windows import Interval
    from pentameter.world import Deployment, Engine, World

TOLD = 0.9
"""Least share of the generated tokens whose steps the plugin must have told: else the others may be of another kind."""

MOST_UNSPLIT = 0.05
"""Most share of the steps' time that may be undivided."""

_METHODS = (
    "method=gpu_time: by the time of the engine's steps (needs the plugin, and one API server); flops: by the model's "
    "operations; request_time: by the time of requests, as OpenCost describes, which gives the less to the input the "
    "more requests decode at a time; ratio: by configured ratios of prices."
)

COST_PER_MILLION = Metric(
    "pentameter_cost_per_million_tokens_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of a million tokens at the throughput of the window in the label, idle time included. tokens=blended, "
    "method=all_tokens: spread over output and prompt tokens, cached ones included; tokens=output, "
    "method=output_only: all charged to the output. tokens=input (prompt tokens that were computed), cached_input, "
    f"output: the cost divided by pentameter_cost_input_share_ratio. {_METHODS} A prompt token from the cache took no "
    "prefill, and costs 0 by all methods but ratio. Absent while there is no such token, or the method's input is not "
    "known.",
    "cost per hour / tokens per hour x 1,000,000; input: cost x share / computed prompt tokens, output: cost x "
    "(1 - share) / generated tokens; ratio: output = k x input, cached_input = c x input",
    (*ENGINE, "window", "tokens", "method"),
)
INPUT_SHARE = Metric(
    "pentameter_cost_input_share_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ECONOMICS,
    f"Share of the cost that the input bears, over the window in the label; the output bears the rest. {_METHODS} "
    "Absent where the method's input is not known.",
    "prefill / (prefill + decode), each in seconds of steps (those with both: decode as much as the line through the "
    "steps of decodes alone, prefill the rest), FLOPs, or seconds of requests; ratio: (computed + c x cached) / "
    "(computed + c x cached + k x generated)",
    (*ENGINE, "window", "method"),
)
METRICS = (COST_PER_MILLION, INPUT_SHARE)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        for window in world.windows:
            tokens = tokens_per_second(deployment, window)
            shares = {method: one(world, deployment, window) for method, one in _MEASURED}
            known = {method: one for method, one in shares.items() if one is not None}
            for method, one in known.items():
                yield INPUT_SHARE(one, *deployment.labels, window, method)
            ratios = deployment.cost.ratios
            by_ratio = ratio_share(tokens, ratios) if tokens and ratios else None
            if by_ratio is not None:
                yield INPUT_SHARE(by_ratio, *deployment.labels, window, "ratio")
            hourly = total_per_hour(deployment, window)
            if hourly is None:
                continue
            yield from _blended(deployment, window, hourly)
            if tokens is None:
                continue
            per_second = hourly / SECONDS_PER_HOUR
            for method, one in known.items():
                yield from _by_kind(deployment, window, method, measured_costs(per_second, tokens, one))
            if ratios is not None:
                yield from _by_kind(deployment, window, "ratio", ratio_costs(per_second, tokens, ratios))


def _blended(deployment: Deployment, window: str, hourly: float) -> Iterator[Sample]:
    for tokens, method, concepts in (
        ("blended", "all_tokens", ("prompt_tokens", "generation_tokens")),
        ("output", "output_only", ("generation_tokens",)),
    ):
        rate = deployment.token_rate(window, *concepts)
        dollars = None if rate is None else dollars_per_million(hourly, rate)
        if dollars is not None:
            yield COST_PER_MILLION(dollars, *deployment.labels, window, tokens, method)


def _by_kind(deployment: Deployment, window: str, method: str, costs: UnitCosts) -> Iterator[Sample]:
    for tokens, dollars in zip(UnitCosts._fields, costs, strict=True):
        if dollars is not None:
            yield COST_PER_MILLION(dollars * MILLION, *deployment.labels, window, tokens, method)


def tokens_per_second(deployment: Deployment, window: str) -> Tokens | None:
    """Return the rates of all engines' tokens by kind; None when any is unknown."""
    parts = []
    for engine in deployment.engines:
        interval = engine.rolled.windows.get(window)
        if interval is None:
            return None
        prompt, generated = interval.rate("prompt_tokens"), interval.rate("generation_tokens")
        computed = computed_prompt_tokens(interval)
        if prompt is None or generated is None or computed is None:
            return None
        computed = min(computed / interval.seconds, prompt)
        parts.append(Tokens(computed, prompt - computed, generated))
    return Tokens(*map(sum, zip(*parts, strict=True))) if parts else None


def gpu_time_share(world: World, deployment: Deployment, window: str) -> float | None:
    """Return the share of prefill in the time of all engines' steps; None where some are not told, or not divided."""
    steps = {served.labels: served.rolled.windows.get(window) for served in world.served}

    def phases(engine: Engine, interval: Interval) -> tuple[float, float] | None:
        told, made = steps.get(engine.labels), interval.delta("generation_tokens")
        if made == 0:
            return 0.0, 0.0
        # Not as rates: after a start the two windows are not equally long.
        tokens = told.delta(STEP_TOKENS) if told else None
        if told is None or made is None or tokens is None or tokens < TOLD * made:
            return None
        prefill, decode, unsplit = (told.delta(f"{STEP_SECONDS}/{phase}") or 0.0 for phase in PHASES)
        whole = prefill + decode + unsplit
        return (prefill, decode) if unsplit <= MOST_UNSPLIT * whole else None

    return _summed(deployment, (engine.rolled.windows.get(window) for engine in deployment.engines), phases)


def flops_share(_world: World, deployment: Deployment, window: str) -> float | None:
    """Return the share of prefill in the FLOPs of all engines, in whatever precision; None where one is not known."""

    def phases(_engine: Engine, interval: Interval) -> tuple[float, float] | None:
        prefill, decode = model_flops(interval, "prefill"), model_flops(interval, "decode")
        return None if prefill is None or decode is None else (prefill, decode)

    return _summed(deployment, (engine.work.windows.get(window) for engine in deployment.engines), phases)


def request_time_share(_world: World, deployment: Deployment, window: str) -> float | None:
    """Return the share of prefill in the time of all finished requests; None where an engine does not tell."""

    def phases(_engine: Engine, interval: Interval) -> tuple[float, float] | None:
        prefill, decode = interval.histograms.get("prefill"), interval.histograms.get("decode")
        # Sums may fall a little where vLLM subtracted two clocks.
        return None if prefill is None or decode is None else (max(0.0, prefill.sum), max(0.0, decode.sum))

    return _summed(deployment, (engine.rolled.windows.get(window) for engine in deployment.engines), phases)


_MEASURED = (("gpu_time", gpu_time_share), ("flops", flops_share), ("request_time", request_time_share))


def _summed(
    deployment: Deployment,
    intervals: Iterable[Interval | None],
    phases: Callable[[Engine, Interval], tuple[float, float] | None],
) -> float | None:
    """Return prefill's share of what all engines spent; a sum that lacks an engine is a wrong sum."""
    prefill = decode = 0.0
    for engine, interval in zip(deployment.engines, intervals, strict=True):
        found = phases(engine, interval) if interval else None
        if found is None:
            return None
        prefill += found[0]
        decode += found[1]
    return share(prefill, decode)
