"""What the board of memory shows of the KV cache and the prefixes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards import figures
from boards.kit import Row, query, rate, ratio, select, target, timeseries, total_rate
from boards.money import BY_SLO, MODEL
from boards.parts import FINISHED, SAVING
from boards.parts import MODEL as KNOWN_MODEL

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

STEP = "$__rate_interval"


def of_state(state: str) -> str:
    """Return the bytes of the KV cache in a state, all chosen engines together."""
    return f"sum ({select('pentameter_kv_cache_bytes', state=state)})"


def waste() -> str:
    """Return the wasted share of the allocated KV cache, all engines of a model together."""
    wasted = f"sum by (model_name) ({select('pentameter_kv_cache_bytes', state='wasted')})"
    return ratio(wasted, f"sum by (model_name) ({select('pentameter_kv_cache_bytes', state='allocated')})")


def hit_ratio() -> str:
    """Return the share of the prompt tokens that the prefix cache supplied, all engines of a model together."""
    saved = select("pentameter_prefix_cache_saved_tokens_total")
    prompts = f"{rate('pentameter_tokens_total', phase='prompt')} and on ({figures.REPLICA}) {saved}"
    return ratio(total_rate("pentameter_prefix_cache_saved_tokens_total"), f"sum by (model_name) ({prompts})")


def in_use(text: str) -> dashboard.Panel:
    """Return the panel of the cache in use, which stands on two boards with other words."""
    return timeseries(
        "KV cache in use",
        [
            query(figures.fullest_kv_cache(), f"fullest engine {MODEL}"),
            query(figures.kv_cache_in_use(), f"all engines {MODEL}"),
        ],
        unit="percentunit",
        most=1,
        span=8,
        text=text,
    )


CACHE = Row(
    "KV cache: is there room for more requests?",
    (
        in_use(
            "Near 100 % new requests wait and running ones are preempted. Where the fullest engine is far above"
            " all together, requests are spread unevenly."
        ),
        timeseries(
            "Requests in the cache, waiting, and room for more",
            [
                query(f"sum by (model_name) ({select('pentameter_requests_running')})", f"running {MODEL}"),
                query(f"sum by (model_name) ({select('pentameter_requests_waiting')})", f"waiting {MODEL}"),
                query(f"sum by (model_name) ({select('pentameter_kv_cache_free_sequences')})", f"room for {MODEL}"),
            ],
            unit="short",
            span=8,
            text="Room for: sequences that would still fit, of the mean length of those that finished lately. It is"
            " known once requests have finished.",
        ),
        timeseries(
            "Preemptions per second",
            [query(total_rate("pentameter_preemptions_total", span=STEP), MODEL)],
            unit="ops",
            text="Requests thrown out of the batch for lack of cache; their prompts are computed again.",
            span=8,
        ),
        timeseries(
            "What the KV cache holds",
            [
                query(of_state("live"), "keys and values"),
                query(of_state("wasted"), "wasted"),
                target(of_state("capacity"), "capacity"),
            ],
            unit="bytes",
            text="All chosen engines together. wasted: the unused rest of the last block of every sequence.",
            stacked=True,
            span=8,
            needs=KNOWN_MODEL,
        ),
        timeseries(
            "KV cache wasted against PagedAttention's bound",
            [
                query(waste(), MODEL),
                target(f"max ({select('pentameter_kv_cache_waste_reference_ratio')})", "Kwon et al. 2023"),
            ],
            unit="percentunit",
            text="Share of the allocated blocks that holds nothing: half a block per running sequence, so it is large"
            " only where sequences are short. Dashed: the most that PagedAttention's authors report.",
            span=8,
            needs=f"{KNOWN_MODEL}, and running requests",
        ),
        timeseries(
            "Goodput meanwhile",
            [
                query(f"sum by (model_name) ({select('pentameter_requests_per_second')})", f"finished {MODEL}"),
                query(
                    f"sum by (model_name, slo) ({select('pentameter_goodput_requests_per_second')})", f"good {BY_SLO}"
                ),
            ],
            unit="reqps",
            text="Whether a full cache costs requests that keep the SLO (good: from request records).",
            span=8,
        ),
    ),
)


PREFIXES = Row(
    "Prefix cache: what repeated prompts save",
    (
        timeseries(
            "Prompt tokens from the prefix cache",
            [query(hit_ratio(), MODEL)],
            unit="percentunit",
            most=1,
            span=8,
            text="Share of all prompt tokens that were not computed, because the cache or a transfer supplied them.",
            needs=f"{FINISHED}, and {SAVING}",
        ),
        timeseries(
            "Prompt tokens not computed",
            [query(total_rate("pentameter_prefix_cache_saved_tokens_total", span=STEP), MODEL)],
            unit="short",
            axis="tokens/s",
            span=8,
            text="Tokens per second that the cache supplied.",
            needs=SAVING,
        ),
        timeseries(
            "FLOPs saved",
            [query(total_rate("pentameter_prefix_cache_saved_flops_total", span=STEP), MODEL)],
            unit="flops",
            span=8,
            text="Operations per second that those tokens would have taken, all engines together.",
            needs=SAVING,
        ),
        timeseries(
            "Dollars saved per hour, at least",
            [query(f"{total_rate('pentameter_prefix_cache_saved_dollars_total', span=STEP)} * 3600", MODEL)],
            unit="currencyUSD",
            text="GPU time at the GPU's peak, which no server reaches: the true saving is greater.",
            needs=f"{SAVING}, and a price of the GPUs",
        ),
        timeseries(
            "Energy saved by the prefix cache, at least",
            [query(total_rate("pentameter_prefix_cache_saved_joules_total", span=STEP), MODEL)],
            unit="watt",
            text="Of GPUs that compute at their peak within their power limit, which none reaches.",
            needs=f"{SAVING}, and the GPUs' power limit",
        ),
    ),
)
