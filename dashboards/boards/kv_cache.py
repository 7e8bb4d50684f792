"""What the board of memory shows of the KV cache and the prefixes in it."""

from __future__ import annotations

from boards.kit import Row, query, rate, select, target, timeseries
from boards.parts import FINISHED, MODEL, RECORDS, SAVING, TOKENS_PER_SECOND, WHO, WHOSE


def _all(state: str) -> str:
    return f"sum ({select('pentameter_kv_cache_bytes', state=state)})"


CACHE = Row(
    "KV cache",
    (
        timeseries(
            "KV cache in use",
            [query(select("pentameter_kv_cache_usage_ratio"), WHO)],
            unit="percentunit",
            most=1,
        ),
        timeseries(
            "KV cache, live and wasted",
            [
                query(_all("live"), "live"),
                query(_all("wasted"), "wasted"),
                target(_all("capacity"), "capacity"),
            ],
            unit="decbytes",
            text="All chosen engines together; live and wasted make the allocated.",
            stacked=True,
            needs=MODEL,
        ),
        timeseries(
            "KV cache wasted against PagedAttention's bound",
            [
                query(select("pentameter_kv_cache_waste_ratio"), WHO),
                target(f"max ({select('pentameter_kv_cache_waste_reference_ratio')})", "Kwon et al. 2023"),
            ],
            unit="percentunit",
            text="Half a block per running sequence: it is large only where sequences are short.",
            needs=MODEL,
        ),
        timeseries(
            "Running sequences, and those that still fit",
            [
                query(select("pentameter_requests_running"), f"running {WHO}"),
                query(select("pentameter_kv_cache_free_sequences"), f"still fit {WHO}"),
            ],
            unit="short",
            needs=FINISHED,
        ),
        timeseries(
            "Preemptions per second",
            [query(rate("pentameter_preemptions_total"), WHO)],
            unit="ops",
            text="Requests thrown out of the batch for lack of cache; their prompts are computed again.",
            span=8,
        ),
        timeseries(
            "Preemptions per request",
            [query(select("pentameter_preemption_ratio"), WHO)],
            unit="percentunit",
            text="May exceed 100 %: a request can be preempted again and again.",
            span=8,
            needs=FINISHED,
        ),
        timeseries(
            "Goodput meanwhile",
            [
                query(select("pentameter_goodput_requests_per_second"), f"{{{{slo}}}} {WHO}"),
                query(select("pentameter_requests_per_second"), f"all finished {WHO}"),
            ],
            unit="reqps",
            text="Whether a full cache costs requests that keep the SLO.",
            span=8,
            needs=RECORDS,
        ),
    ),
)


PREFIXES = Row(
    "Prefix cache",
    (
        timeseries(
            "Prefix cache hit ratio",
            [query(select("pentameter_prefix_cache_hit_ratio"), WHO)],
            unit="percentunit",
            most=1,
            span=6,
            needs="prefix caching and requests in the window",
        ),
        timeseries(
            "Prompt tokens not computed",
            [query(rate("pentameter_prefix_cache_saved_tokens_total"), WHO)],
            unit=TOKENS_PER_SECOND,
            span=6,
            needs=SAVING,
        ),
        timeseries(
            "FLOPs saved",
            [query(rate("pentameter_prefix_cache_saved_flops_total"), WHO)],
            unit="flops",
            span=6,
            needs=SAVING,
        ),
        timeseries(
            "Dollars saved per hour, at least",
            [query(f"{rate('pentameter_prefix_cache_saved_dollars_total')} * 3600", WHOSE)],
            unit="currencyUSD",
            text="GPU time at the GPU's peak, which no server reaches: the true saving is greater.",
            span=6,
            needs=f"{SAVING}, and a price of the GPUs",
        ),
    ),
)
