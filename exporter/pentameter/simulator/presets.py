"""What is simulated: a model, its step costs, a GPU, the traffic; frozen, in base units, by name.

The costs are plausible public orders of magnitude for one H100 SXM with an 8B model in bf16, not a
measurement: about 7 ms for a step that only reads the weights, 31 000 prompt tokens/s at most, 2.3 TB/s
of effective bandwidth for the KV cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pentameter.simulator.demand import Clients, Lengths, Overload, Patience, SharedPrefix, Traffic
from pentameter.units import GIGA, MEBI, TERA


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A dense decoder with grouped-query attention; the field names are those of ``config.json``."""

    name: str
    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    max_model_len: int
    bytes_per_value: int = 2

    @property
    def layer_parameters(self) -> int:
        """Return the matrix parameters of all layers; each costs 2 FLOPs per token."""
        kv_size = self.hidden_size // self.num_attention_heads * self.num_key_value_heads
        attention = 2 * self.hidden_size * (self.hidden_size + kv_size)
        return self.num_hidden_layers * (attention + 3 * self.hidden_size * self.intermediate_size)

    @property
    def head_parameters(self) -> int:
        """Return the parameters of the output head, which only sampled tokens pass."""
        return self.hidden_size * self.vocab_size

    @property
    def weight_bytes(self) -> int:
        """Return the bytes of all weights, the input embedding included."""
        return self.bytes_per_value * (self.layer_parameters + 2 * self.head_parameters)

    @property
    def weight_bytes_read_per_step(self) -> int:
        """Return the weight bytes that one step reads; the input embedding is a table look-up."""
        return self.bytes_per_value * (self.layer_parameters + self.head_parameters)

    @property
    def attention_flops_per_pair(self) -> int:
        """Return the FLOPs for one query token and one context token: QK and AV, all layers."""
        return 4 * self.num_hidden_layers * self.hidden_size

    @property
    def kv_bytes_per_token(self) -> int:
        """Return the KV cache bytes of one token: key and value, all layers."""
        head_dim = self.hidden_size // self.num_attention_heads
        return 2 * self.num_hidden_layers * self.num_key_value_heads * head_dim * self.bytes_per_value

    def config_json(self) -> dict[str, object]:
        """Return what the model's ``config.json`` would say, for whoever derives costs from it."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "torch_dtype": "bfloat16",
            "num_hidden_layers": self.num_hidden_layers,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_model_len,
            "tie_word_embeddings": False,
        }


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Seconds: one engine step takes the sum of these, times the work in it."""

    per_step: float
    per_decode: float
    per_prefill_token: float
    per_context_token: float


@dataclass(frozen=True, slots=True)
class Scheduling:
    """vLLM's limits; the defaults are those of an API server on an H100."""

    max_num_seqs: int = 1024
    max_num_batched_tokens: int = 8192
    block_size: int = 16
    gpu_memory_utilization: float = 0.92

    def __post_init__(self) -> None:
        if self.max_num_batched_tokens < self.max_num_seqs:
            message = "max_num_batched_tokens must not be smaller than max_num_seqs: decodes come first"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Board:
    """A GPU: what it holds, and how its power follows the work."""

    name: str
    compute_capability: str
    memory_bytes: int
    reserved_bytes: int
    overhead_bytes: int
    """CUDA context, graphs and peak activations."""
    bandwidth_bytes_per_second: float
    power_limit_watts: float
    idle_watts: float
    active_watts: float
    """Clocks up and a kernel running, before any FLOP or byte."""
    joules_per_flop: float
    joules_per_byte: float
    ambient_celsius: float = 30.0
    celsius_per_watt: float = 0.058
    thermal_seconds: float = 20.0
    energy_before_start_joules: float = 5.4e6
    """The hardware counter runs since the driver was loaded, long before the server."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything that a simulation needs, apart from the seed."""

    name: str
    model: ModelShape
    costs: StepCosts
    board: Board
    traffic: Traffic
    scheduling: Scheduling = field(default_factory=Scheduling)
    engines: int = 1
    warm_up_seconds: float = 30.0
    """Served before time 0, so that a demo does not begin with an empty server."""

    def __post_init__(self) -> None:
        if self.model.max_model_len > self.kv_cache_tokens - self.scheduling.block_size:
            message = f"the KV cache holds {self.kv_cache_tokens} tokens, less than one longest request"
            raise ValueError(message)

    @property
    def num_gpu_blocks(self) -> int:
        """Return the KV blocks that fit beside weights and overhead, as vLLM would find at start-up."""
        budget = self.scheduling.gpu_memory_utilization * self.board.memory_bytes
        free = budget - self.model.weight_bytes - self.board.overhead_bytes
        return int(free // (self.model.kv_bytes_per_token * self.scheduling.block_size))

    @property
    def kv_cache_tokens(self) -> int:
        """Return the tokens that the KV cache of one engine holds."""
        return self.num_gpu_blocks * self.scheduling.block_size


LLAMA_8B = ModelShape(
    name="meta-llama/Llama-3.1-8B-Instruct",
    num_hidden_layers=32,
    hidden_size=4096,
    intermediate_size=14_336,
    num_attention_heads=32,
    num_key_value_heads=8,
    vocab_size=128_256,
    max_model_len=16_384,
)

H100_SXM = Board(
    name="NVIDIA H100 80GB HBM3",
    compute_capability="9.0",
    memory_bytes=81_559 * MEBI,
    reserved_bytes=561 * MEBI,
    overhead_bytes=1_900 * MEBI,
    bandwidth_bytes_per_second=3.35 * TERA,
    power_limit_watts=700.0,
    idle_watts=75.0,
    active_watts=130.0,
    joules_per_flop=1.0 / TERA,
    joules_per_byte=0.1 / GIGA,
)

_CHAT = Traffic(
    low_rate=0.5,
    high_rate=15.0,
    day_seconds=600.0,
    low_at=400.0,
    overload=Overload(start=75.0, duration=30.0, rate=45.0),
    prompt=Lengths(median=500.0, sigma=0.9),
    output=Lengths(median=200.0, sigma=0.8),
    prefixes=(
        SharedPrefix(tokens=256, share=0.30),
        SharedPrefix(tokens=128, share=0.25),
        SharedPrefix(tokens=384, share=0.10),
    ),
    # In the overload, where the queue is longer than patience, some 130 give up; at other times nobody does.
    clients=Clients(impatient=0.3, patience=Patience(median_seconds=8.0, sigma=0.5), leaving=0.02, one_token=0.02),
)

H100_8B = Preset(
    name="h100-8b",
    model=LLAMA_8B,
    costs=StepCosts(per_step=0.0068, per_decode=2.5e-5, per_prefill_token=3.2e-5, per_context_token=5.6e-8),
    board=H100_SXM,
    traffic=_CHAT,
)

# Two data-parallel ranks behind one API server (--api-server-count 1), hence one ordinary page.
H100X2_8B = replace(
    H100_8B,
    name="h100x2-8b",
    engines=2,
    traffic=replace(
        _CHAT,
        low_rate=1.0,
        high_rate=30.0,
        overload=Overload(start=75.0, duration=30.0, rate=90.0),
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (H100_8B, H100X2_8B)}
DEFAULT = H100_8B


def preset_named(name: str) -> Preset:
    """Return a preset; raise ``ValueError`` that names the valid ones.

    >>> preset_named("h100-8b").num_gpu_blocks
    28909
    """
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(PRESETS)
        message = f"no preset is named {name!r}; there are: {known}"
        raise ValueError(message) from None
