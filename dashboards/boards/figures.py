"""Figures that several boards show, over any number of servers: numerators and denominators summed, then divided.

A denominator counts only the replicas of which the numerator is known, so that an unknown cost or energy makes a
figure that is of fewer servers, and never one that is too small.
"""

from __future__ import annotations

from boards.queries import rate, ratio, select, total_rate

REPLICA = "cluster, namespace, instance, server, model_name"
"""The labels that tell one exporter's server from all others."""

MODEL = "model_name"

_COST = select("pentameter_cost_per_hour_dollars", component="total")
_TOKENS = select("pentameter_tokens_per_second", phase="generation")
_GENERATED = rate("pentameter_tokens_total", phase="generation")
_ENERGY = rate("pentameter_energy_joules_total", component="gpu")
_GOOD = {"verdict": "good"}


def cost_per_hour(by: str = MODEL) -> str:
    """Return dollars per hour, in total."""
    return f"sum by ({by}) ({_COST})"


def output_tokens_per_second(by: str = MODEL) -> str:
    """Return generated tokens per second over the window."""
    return f"sum by ({by}) ({_TOKENS})"


def cost_per_million_output(by: str = MODEL) -> str:
    """Return dollars per million generated tokens: $/hour / tokens/hour x 1,000,000."""
    return ratio(f"{cost_per_hour(by)} / 3600 * 1e6", f"sum by ({by}) ({_TOKENS} and on ({REPLICA}) {_COST})")


def cost_per_request(by: str = MODEL) -> str:
    """Return dollars per finished request."""
    finished = select("pentameter_requests_per_second")
    return ratio(f"{cost_per_hour(by)} / 3600", f"sum by ({by}) ({finished} and on ({REPLICA}) {_COST})")


def cost_per_good_request(by: str = MODEL) -> str:
    """Return dollars per request that kept the SLO, whatever made it so: all cost over the good requests."""
    served = select("pentameter_goodput_requests_per_second")
    good = f"sum by ({by}, slo) ({served} and on ({REPLICA}) {_COST})"
    return f"({cost_per_hour(by)} / 3600) / on ({by}) group_right () ({good} > 0)"


def attainment(by: str = MODEL, span: str = "$window") -> str:
    """Return the share of the judged requests that kept the SLO, by SLO, from counters."""
    labels = f"{by}, slo"
    return ratio(
        total_rate("pentameter_slo_requests_total", labels, span, **_GOOD),
        total_rate("pentameter_slo_requests_total", labels, span),
    )


def worst_attainment() -> tuple[str, str]:
    """Return the least share of good requests of any model, by SLO: where all models keep it, and where one does not.

    Where a target is missed it is the least share of those that miss.
    """
    share = attainment()
    missed = f"{share} < {slo_target()}"
    return f"min by (slo) ({share}) unless on (slo) ({missed})", f"min by (slo) ({missed})"


def slo_target(by: str = MODEL) -> str:
    """Return the exported share of requests that shall keep the SLO, by SLO."""
    return f"max by ({by}, slo) ({select('pentameter_slo_target_ratio')})"


def burn_rate(by: str = MODEL, span: str = "$window") -> str:
    """Return how many times faster than allowed requests miss the SLO: misses / allowed misses."""
    return f"(1 - {attainment(by, span)}) / (1 - {slo_target(by)})"


def capacity(bound: str, by: str = f"{MODEL}, slo") -> str:
    """Return the goodput capacity of all replicas together, where it is known of every one of them.

    The sum of some would look like a limit that the offered load of all exceeds.
    """
    known = select("pentameter_goodput_capacity_requests_per_second", bound=bound)
    every = select("pentameter_goodput_requests_per_second")
    return f"sum by ({by}) ({known}) and (count by ({by}) ({known}) == count by ({by}) ({every}))"


def fullest_kv_cache(by: str = MODEL) -> str:
    """Return the share of the KV cache in use of the engine that has the least left."""
    return f"max by ({by}) ({select('pentameter_kv_cache_usage_ratio')})"


def kv_cache_in_use(by: str = MODEL) -> str:
    """Return the share of the KV cache in use of all engines together, each weighted by the tokens it can hold."""
    return weighted(select("pentameter_kv_cache_usage_ratio"), select("pentameter_kv_cache_capacity_tokens"), by)


def tokens_per_step(by: str = MODEL) -> str:
    """Return the mean number of tokens that a step of an engine makes, by counters over the same window."""
    steps = total_rate("pentameter_engine_steps_total", by)
    return ratio(total_rate("pentameter_tokens_total", by, phase="generation"), steps)


def latency(quantity: str, quantile: float, by: str = MODEL) -> str:
    """Return a quantile of ``ttft``, ``tpot`` or ``e2e`` over all servers from request records' histograms.

    Where no records come, the greatest of the servers' own quantiles from vLLM's coarser histograms.
    """
    buckets = f"sum by (le, {by}) (rate({select(f'pentameter_request_{quantity}_seconds_bucket')}[$window]))"
    gauge = {"ttft": "ttft_seconds", "tpot": "tpot_seconds", "e2e": "e2e_latency_seconds"}[quantity]
    coarse = select(f"pentameter_{gauge}", stat=f"p{round(quantile * 100)}", basis="histogram")
    return f"histogram_quantile({quantile}, {buckets}) or max by ({by}) ({coarse})"


def energy_per_output_token(by: str = MODEL, component: str | None = None) -> str:
    """Return joules of all components, or of one, per generated token, of servers whose GPUs' energy is known.

    Both are counters over the same window, so that the ratio is right while the window began before the first scrape,
    and while a server does not answer.
    """
    joules = rate("pentameter_energy_joules_total", component=component)
    return ratio(f"sum by ({by}) ({joules})", f"sum by ({by}) ({_GENERATED} and on ({REPLICA}) {_ENERGY})")


def carbon_per_million_output(by: str = MODEL) -> str:
    """Return grams of CO2-equivalent per million generated tokens.

    Operational and embodied, by counters over the same window; a server whose operational carbon is unknown is left
    out, above and below the line.
    """
    known = rate("pentameter_carbon_grams_total", kind="operational")
    grams = f"{rate('pentameter_carbon_grams_total')} and on ({REPLICA}) {known}"
    return ratio(f"sum by ({by}) ({grams}) * 1e6", f"sum by ({by}) ({_GENERATED} and on ({REPLICA}) {known})")


def of_engines(series: str, stat: str) -> str:
    """Return each engine's own statistic: from request records where there are any, else from vLLM's histograms."""
    coarse = select(series, stat=stat, basis="histogram")
    return f"{select(series, stat=stat, basis='requests')} or ignoring (basis) {coarse}"


def mean_time(series: str, by: str = MODEL) -> str:
    """Return the mean time of a part of all finished requests: every engine's mean weighted by its requests."""
    mean = select(series, stat="mean", basis="histogram")
    finished = select("pentameter_requests_per_second")
    return ratio(f"sum by ({by}) ({mean} * ignoring (stat, basis) {finished})", f"sum by ({by}) ({finished})")


def cost_per_hour_in_state(state: str) -> str:
    """Return dollars per hour paid for a state (active, idle, asleep, unobserved): its share x cost per hour.

    By shares, the states add up to the cost per hour also while a window has begun before the first scrape.
    """
    part = total_rate(f"pentameter_{state}_cost_dollars_total")
    return f"({ratio(part, total_rate('pentameter_cost_dollars_total'))}) * {cost_per_hour()}"


def cheapest_api_cost_per_hour(by: str = MODEL) -> str:
    """Return what the cheapest API that is listed today would ask per hour for the same tokens."""
    asked = select("pentameter_api_equivalent_cost_per_hour_dollars", vintage="current", status="listed")
    return f"min by ({by}) (sum by ({by}, api_provider, api_model) ({asked}))"


def weighted(value: str, weight: str, by: str) -> str:
    """Return a ratio of engines over a fleet, each weighted by what its denominator is made of.

    The value's selector must leave one series per engine and label of ``by``.
    """
    heavy = f"* on ({REPLICA}, engine) group_left () max by ({REPLICA}, engine) ({weight})"
    return f"sum by ({by}) ({value} {heavy}) / sum by ({by}) (({value} * 0 + 1) {heavy})"


def mfu(by: str = "model_name, phase, basis", phase: str = "!=all", basis: str | None = None) -> str:
    """Return model FLOPs utilisation, engines weighted by the peak of one of their GPUs."""
    value = select("pentameter_mfu_ratio", phase=phase, basis=basis)
    return weighted(value, select("pentameter_gpu_peak_flops_per_second", precision="16bit"), by)


def mbu(by: str = "model_name, phase, basis", phase: str = "!=all", basis: str | None = None) -> str:
    """Return memory bandwidth utilisation, engines weighted by the peak of one of their GPUs."""
    value = select("pentameter_mbu_ratio", phase=phase, basis=basis)
    return weighted(value, select("pentameter_gpu_peak_memory_bandwidth_bytes_per_second"), by)


def intensity(by: str = "model_name, phase") -> str:
    """Return FLOPs over bytes read and written, by the exporter's own count, from counters."""
    model = {"basis": "model", "phase": "!=all"}
    read = total_rate("pentameter_memory_read_bytes_total", by, **model)
    written = total_rate("pentameter_memory_written_bytes_total", by, **model)
    return ratio(total_rate("pentameter_model_flops_total", by, **model), f"({read} + {written})")
