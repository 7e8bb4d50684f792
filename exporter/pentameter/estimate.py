"""The lecture as a calculator: what a model on a GPU needs at least, before anything is measured. Pure.

Every time is a floor: peak FLOP/s, peak bandwidth, no launch, no communication between GPUs, no queue. With ``mfu`` and
``mbu`` below 1 it is the time at those shares of the peaks. The formulas that people are shown, one per figure, are in
``estimate_figures``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pentameter.estimate_fit import Fit, fit
from pentameter.estimate_phases import Phase, Prices, decode_phase, prefill_phase, request_decode, spent
from pentameter.model.contexts import reaches, seen
from pentameter.model.flops import attention_flops, decode_token_flops, prefill_flops, sample_flops, token_flops
from pentameter.model.impact import Format, converted
from pentameter.model.kv import kv_bytes_per_token, kv_known, sequence_bytes
from pentameter.model.lecture import slide_flops, two_n
from pentameter.model.parameters import active_parameters, total_parameters, weight_bytes
from pentameter.units import MILLION

if TYPE_CHECKING:
    from pentameter.model.parallel import Parallel
    from pentameter.model.spec import ModelSpec
    from pentameter.world import GpuSpec


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked: one engine of equal GPUs, and sequences that are all alike."""

    spec: ModelSpec
    gpu: GpuSpec
    parallel: Parallel
    batch: int
    """Sequences that one decode step serves."""
    prompt: int
    """Tokens of a prompt, none of them in a prefix cache."""
    output: int
    """Tokens that are generated for it."""
    kv_bits: float
    """Per cached element."""
    memory_utilization: float
    """Share of a GPU's memory that the server may take."""
    overhead_bytes: float = 0.0
    """Per GPU, for activations, CUDA graphs and the context."""
    mfu: float = 1.0
    mbu: float = 1.0
    """Shares of the peaks that are reached; 1 for floors."""
    prices: Prices = field(default_factory=Prices)

    @property
    def context(self) -> int:
        """Return the length that each sequence reaches: prompt + output, in tokens."""
        return self.prompt + self.output


@dataclass(frozen=True, slots=True)
class Computation:
    """Parameters and floating point operations, of the whole model."""

    parameters: int
    active_parameters: int
    matrices_flop_per_token: float
    unembedding_flop_per_sample: float
    attention_flop_per_token: float | None
    decode_flop_per_token: float
    prefill_flop: float
    prefill_flop_per_token: float
    lecture_two_n_flop_per_token: float
    lecture_slide_flop: float | None
    lecture_slide_flop_per_token: float | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Weights and cache, of the whole model, each kept once."""

    weights_bytes: float
    weights_bits_per_parameter: float
    cache_bytes_per_token: float | None
    cache_bytes_per_sequence: float | None
    cache_bytes_of_batch: float | None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, alone in its prefill and one of the batch in its decode."""

    ttft_seconds: float
    decode_seconds: float
    e2e_seconds: float
    joules: float | None
    grams: float | None
    dollars: float | None
    joules_per_million_tokens: float | None
    grams_per_million_tokens: float | None
    dollars_per_million_tokens: float | None


@dataclass(frozen=True, slots=True)
class Quantization:
    """What one format of the weights would mean."""

    format: str
    weights_bytes: float
    tpot_seconds: float
    sequences: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The answer, in base units; None is unknown."""

    computation: Computation
    memory: Memory
    fit: Fit
    prefill: Phase
    decode: Phase
    request: Request
    quantization: tuple[Quantization, ...]


def estimate(case: Case) -> Estimate:
    """Return every figure of a case.

    Raises ValueError where prompt, output or batch are below 1.
    """
    if min(case.prompt, case.output, case.batch) < 1:
        raise ValueError("prompt, output and batch must be at least 1")
    prefill = prefill_phase(case)
    return Estimate(
        computation=_computation(case),
        memory=_memory(case),
        fit=fit(case),
        prefill=prefill,
        decode=decode_phase(case),
        request=_request(case, prefill),
        quantization=tuple(_quantization(case, fmt) for fmt in Format),
    )


def _computation(case: Case) -> Computation:
    """Count parameters and operations.

    - matrices: 2 x active parameters of the layers' matrices, per token; unembedding: 2 x its parameters, per sampled
      token; attention: 2 x heads x (qk + v dimensions) x context, summed over layers, for the decode step of the last
      token of a sequence. Their sum is the decode step's.
    - prefill: matrices x prompt + causal attention over the prompt + one unembedding.
    - active parameters: all but the experts that a token is not sent to; a dense model's are all its parameters.
    - the lecture's: 2 N with the N active parameters, embeddings included; 2 L (4 d^2 + 8 n d^2) of its slide for the
      n tokens of the context.
    """
    spec, context = case.spec, case.context
    active = active_parameters(spec, embedding=True)
    attention = None
    if kv_known(spec):
        sight = {one: seen(one, context - 1, context) for one in reaches(spec)}
        attention = attention_flops(spec, sight, decode=True)
    slide = None
    if kv_known(spec) and spec.hidden_size:
        slide = slide_flops(sum(layer.count for layer in spec.layers), spec.hidden_size, context)
    prefill = prefill_flops(spec, case.prompt)
    return Computation(
        parameters=total_parameters(spec),
        active_parameters=active,
        matrices_flop_per_token=sum(token_flops(spec).values()),
        unembedding_flop_per_sample=sum(sample_flops(spec).values()),
        attention_flop_per_token=attention,
        decode_flop_per_token=decode_token_flops(spec, context),
        prefill_flop=prefill,
        prefill_flop_per_token=prefill / case.prompt,
        lecture_two_n_flop_per_token=two_n(active),
        lecture_slide_flop=slide,
        lecture_slide_flop_per_token=None if slide is None else slide / context,
    )


def _memory(case: Case) -> Memory:
    """Return what weights and cache take: parameters x bits / 8 with scales, and the cache of tokens x layers.

    A sequence's cache is that of ``context`` tokens, windows and recurrent states as they are; the batch has as many.
    """
    spec = case.spec
    weights = weight_bytes(spec)
    known = kv_known(spec)
    sequence = sequence_bytes(spec, case.context, case.kv_bits) if known else None
    return Memory(
        weights_bytes=weights,
        weights_bits_per_parameter=weights * 8 / total_parameters(spec),
        cache_bytes_per_token=kv_bytes_per_token(spec, case.kv_bits) if known else None,
        cache_bytes_per_sequence=sequence,
        cache_bytes_of_batch=None if sequence is None else case.batch * sequence,
    )


def _request(case: Case, prefill: Phase) -> Request:
    """Return a request's time and what it uses: its prefill whole, and of each decode step 1 / batch.

    The decode time is that of output - 1 steps whose contexts grow from prompt + 1: the longer of all their compute and
    all their traffic, which is at most the sum of each step's longer one, so a floor as well.
    """
    decode = request_decode(case)
    used = spent(case, prefill.seconds + decode / case.batch)
    tokens = case.context

    def per_million(amount: float | None) -> float | None:
        return None if amount is None else amount / tokens * MILLION

    return Request(
        ttft_seconds=prefill.seconds,
        decode_seconds=decode,
        e2e_seconds=prefill.seconds + decode,
        joules=used.joules,
        grams=used.grams,
        dollars=used.dollars,
        joules_per_million_tokens=per_million(used.joules),
        grams_per_million_tokens=per_million(used.grams),
        dollars_per_million_tokens=per_million(used.dollars),
    )


def _quantization(case: Case, fmt: Format) -> Quantization:
    """Return weights, time per output token and sequences that fit, were the layers' matrices in another format.

    As in ``model.impact``: embeddings, router and norms stay in 16 bits, and the cache as it is.
    """
    other = replace(case, spec=converted(case.spec, fmt))
    return Quantization(
        format=fmt.value,
        weights_bytes=weight_bytes(other.spec),
        tpot_seconds=decode_phase(other).seconds,
        sequences=fit(other).sequences,
    )
