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
_ENERGY = select("pentameter_energy_joules_total", component="gpu")
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


def slo_target(by: str = MODEL) -> str:
    """Return the exported share of requests that shall keep the SLO, by SLO."""
    return f"max by ({by}, slo) ({select('pentameter_slo_target_ratio')})"


def burn_rate(by: str = MODEL, span: str = "$window") -> str:
    """Return how many times faster than allowed requests miss the SLO: misses / allowed misses."""
    return f"(1 - {attainment(by, span)}) / (1 - {slo_target(by)})"


def latency(quantity: str, quantile: float, by: str = MODEL) -> str:
    """Return a quantile of ``ttft``, ``tpot`` or ``e2e`` over all servers from request records' histograms.

    Where no records come, the greatest of the servers' own quantiles from vLLM's coarser histograms.
    """
    buckets = f"sum by (le, {by}) (rate({select(f'pentameter_request_{quantity}_seconds_bucket')}[$window]))"
    gauge = {"ttft": "ttft_seconds", "tpot": "tpot_seconds", "e2e": "e2e_latency_seconds"}[quantity]
    coarse = select(f"pentameter_{gauge}", stat=f"p{round(quantile * 100)}", basis="histogram")
    return f"histogram_quantile({quantile}, {buckets}) or max by ({by}) ({coarse})"


def _watched(expression: str, counter: str) -> str:
    """Return what of an expression is of servers whose counter has been scraped for the whole window.

    A rate over a window that began before the first scrape is too small, and would be divided by tokens of all of it.
    """
    return f"{expression} and on ({REPLICA}) ({counter} offset $window)"


def energy_per_output_token(by: str = MODEL) -> str:
    """Return joules of all components per generated token, of servers that were scraped for all of the window."""
    joules = _watched(rate("pentameter_energy_joules_total"), _ENERGY)
    return ratio(f"sum by ({by}) ({joules})", f"sum by ({by}) ({_watched(_TOKENS, _ENERGY)})")


def carbon_per_million_output(by: str = MODEL) -> str:
    """Return grams of CO2-equivalent per million generated tokens, of servers that were scraped for all of the window.

    Operational and embodied; a server whose operational carbon is unknown is left out.
    """
    known = select("pentameter_carbon_grams_total", kind="operational")
    grams = _watched(rate("pentameter_carbon_grams_total"), known)
    return ratio(f"sum by ({by}) ({grams}) * 1e6", f"sum by ({by}) ({_watched(_TOKENS, known)})")


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
