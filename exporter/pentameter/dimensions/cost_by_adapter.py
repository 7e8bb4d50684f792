"""What each LoRA adapter of a server costs, as far as vLLM tells which is at work."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pentameter.adapters import ADAPTER_OUTPUTS
from pentameter.dimensions import economics
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.world import Deployment, Served, World

UNATTRIBUTED = "unattributed"
METHOD = "decode_tokens"

ADAPTER_COST = Metric(
    "pentameter_adapter_cost_dollars_total",
    "counter",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of the server by LoRA adapter, from the plugin. method=decode_tokens: shared by output tokens after each "
    "request's first, all that vLLM tells by adapter (speculative decoding: by outputs); prompts are not weighed. The "
    "base model goes by the served model's name; adapter=unattributed: paid while nothing was decoded; adapter=other: "
    "of those beyond 50. Together they are all cost since the plugin told of adapters.",
    "cost of each snapshot x outputs of the adapter / all outputs in it",
    (*ENGINE, "adapter", "method"),
)
METRICS = (ADAPTER_COST,)


def samples(_world: World) -> Iterator[Sample]:
    """Yield nothing: what there is to say of adapters adds up."""
    yield from ()


def increments(world: World) -> Iterator[Sample]:
    """Yield what the counters of adapters grew by; a server is left out of which an engine does not tell."""
    for deployment in world.deployments:
        outputs = _outputs(world, deployment)
        spent = economics.spent(deployment)
        if outputs is None or spent is None:
            continue
        total = sum(outputs.values())
        parts = {adapter: spent * number / total if total > 0 else 0.0 for adapter, number in outputs.items()}
        # Added, because an adapter may have any name.
        parts[UNATTRIBUTED] = parts.get(UNATTRIBUTED, 0.0) + (0.0 if total > 0 else spent)
        for adapter, dollars in parts.items():
            yield ADAPTER_COST(dollars, *deployment.labels, adapter, METHOD)


def _outputs(world: World, deployment: Deployment) -> Mapping[str, float] | None:
    """Return the outputs since the last snapshot by adapter, of all engines; None where one does not tell.

    While the server does not answer it costs money and makes nothing.
    """
    told = {served.labels: _told(served) for served in world.served if served.server == deployment.server}
    if not deployment.engines:
        return {} if any(told.values()) else None
    found: defaultdict[str, float] = defaultdict(float)
    for engine in deployment.engines:
        parts = told.get(engine.labels)
        if not parts:
            return None
        for adapter, number in parts.items():
            found[adapter or engine.reading.model_name] += number
    return found


def _told(served: Served) -> dict[str, float]:
    tick = served.rolled.tick
    prefix = f"{ADAPTER_OUTPUTS}/"
    return {
        key.removeprefix(prefix): value
        for key, value in (tick.deltas if tick else {}).items()
        if key.startswith(prefix)
    }
