"""The command ``estimate``: its options, and where the model, the GPU and the prices come from."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.estimate import Case
    from pentameter.estimate_document import Asked
    from pentameter.readings import ModelReading

_EPILOG = (
    "A sequence's context is prompt + output. Give two of the three, or one, or none: a context alone is half prompt "
    "and half output. Times are floors at the GPU's peaks unless --mfu and --mbu say which shares are reached."
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("estimate", help="calculate what a model needs on a GPU, unmeasured", epilog=_EPILOG)
    option = parser.add_argument
    whole, share, positive = _whole, _share, _number(0, strict=True)
    option("--model", required=True, help="folder, config.json, or Hugging Face name (local cache or shipped table)")
    option("--gpu", required=True, help="name in the shipped table, or NVML's, or an unambiguous beginning: H100-SXM")
    option("--gpus", type=whole, metavar="N", help="GPUs of the engine (default: tensor x pipeline)")
    option("--tensor-parallel-size", type=whole, metavar="N", help="default: GPUs / pipeline stages")
    option("--pipeline-parallel-size", type=whole, metavar="N", default=1)
    option("--batch", type=whole, metavar="SEQUENCES", default=1, help="sequences in a decode step (default 1)")
    option("--context", type=whole, metavar="TOKENS", help="length that each sequence reaches (default 2048)")
    option("--prompt", type=whole, metavar="TOKENS", help="default: context - output, or half of the context")
    option("--output", type=whole, metavar="TOKENS", help="default: context - prompt")
    option("--dtype", metavar="TYPE", help="weights: fp16 bf16 fp8 int4 fp32 int8 fp4 (default: as the checkpoint)")
    option("--kv-cache-dtype", default="auto", metavar="TYPE", help="vLLM's word, such as fp8 (default: auto)")
    option("--gpu-memory-utilization", type=share, metavar="RATIO", default=0.92, help="as in vLLM (default 0.92)")
    option("--overhead-gb", type=_number(0), metavar="GB", default=0.0, help="activations and graphs, per GPU")
    option("--mfu", type=share, metavar="RATIO", default=1.0, help="share of the peak FLOP/s reached (default 1)")
    option("--mbu", type=share, metavar="RATIO", default=1.0, help="share of the peak bandwidth reached (default 1)")
    option("--watts", type=positive, help="of one GPU (default: its TDP, in the table)")
    option("--gpu-dollars-per-hour", type=_number(0), metavar="DOLLARS", help="of one GPU")
    grid = parser.add_mutually_exclusive_group()
    grid.add_argument("--grid-region", metavar="KEY", help="region of the shipped table, such as USA or POL")
    grid.add_argument("--grams-per-kwh", type=_number(0), metavar="GRAMS")
    option("--explain", action="store_true", help="print each figure's formula; JSON always has them")
    option("--format", choices=("table", "json"), default="table")


def run(options: argparse.Namespace) -> int:
    """Print an estimate; raises ``ConfigError`` for a model, a GPU, a region or lengths that cannot be."""
    from pentameter.config import ConfigError
    from pentameter.estimate import estimate
    from pentameter.estimate_document import document, head
    from pentameter.estimate_table import table
    from pentameter.estimate_warnings import warnings

    try:
        asked = _asked(options)
        case = _case(options, asked)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    found = estimate(case)
    notes = list(warnings(case, found))
    if options.format == "json":
        sys.stdout.write(document(asked, case, found, notes) + "\n")
    else:
        sys.stdout.write(table(case, found, head(asked, case), notes, explain=options.explain))
    return 0


def _asked(options: argparse.Namespace) -> Asked:
    from pentameter.estimate_document import Asked
    from pentameter.estimate_inputs import DTYPES, gpu_of, model_of
    from pentameter.facts import gpu_specs, grid_intensities

    if options.dtype is not None and options.dtype not in DTYPES:
        raise ValueError(f"the type {options.dtype!r} is not known; there are {', '.join(DTYPES)}")
    gpu = gpu_of(options.gpu, gpu_specs())
    model = model_of(_found(options.model), options.dtype, options.kv_cache_dtype)
    grid = None
    if options.grid_region is not None:
        grid = grid_intensities().get(options.grid_region)
        if grid is None:
            raise ValueError(f"the grid region {options.grid_region!r} is not in the table; USA, DEU and POL are")
    watts_source = "given" if options.watts is not None else "TDP" if gpu.tdp_watts is not None else None
    return Asked(
        name=options.model,
        model=model,
        gpu=gpu,
        watts=gpu.tdp_watts if options.watts is None else options.watts,
        watts_source=watts_source,
        grams_per_kwh=grid.grams_per_kwh if grid else options.grams_per_kwh,
        grid=f"{grid.region}, {grid.source}, {grid.factor_type}" if grid else None,
        dtype=options.dtype,
    )


def _case(options: argparse.Namespace, asked: Asked) -> Case:
    from pentameter.estimate import Case
    from pentameter.estimate_inputs import lengths_of, parallel_of
    from pentameter.estimate_phases import Prices
    from pentameter.units import GIGA

    prompt, output = lengths_of(options.context, options.prompt, options.output)
    return Case(
        spec=asked.model.spec,
        gpu=asked.gpu,
        parallel=parallel_of(options.gpus, options.tensor_parallel_size, options.pipeline_parallel_size),
        batch=options.batch,
        prompt=prompt,
        output=output,
        kv_bits=asked.model.kv_bits,
        memory_utilization=options.gpu_memory_utilization,
        overhead_bytes=options.overhead_gb * GIGA,
        mfu=options.mfu,
        mbu=options.mbu,
        prices=Prices(asked.watts, asked.grams_per_kwh, options.gpu_dollars_per_hour),
    )


def _found(name: str) -> ModelReading:
    """Return the model's configuration; raises ValueError with names that are like it where there is none."""
    from difflib import get_close_matches

    from pentameter.facts import find_model, known_models
    from pentameter.sources import SourceError
    from pentameter.sources.model_files import ModelFiles

    try:
        return ModelFiles("", path=name, table=find_model).read()
    except SourceError as error:
        message = str(error).removeprefix("model.path: ")
        if error.reason == "not_found":
            short = {key.rpartition("/")[2].casefold(): key for key in known_models()}
            near = get_close_matches(name.rpartition("/")[2].casefold(), short, n=5, cutoff=0.5)
            if near:
                message += f"; the table has {', '.join(short[key] for key in near)}"
        raise ValueError(message) from error


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:12]) <= 10**9:
        message = f"must be a whole number above 0, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _share(text: str) -> float:
    number = _read(text)
    if not 0 < number <= 1:
        message = f"must be above 0 and at most 1, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return number


def _number(least: float, *, strict: bool = False) -> Callable[[str], float]:
    def read(text: str) -> float:
        number = _read(text)
        if not (least < number if strict else least <= number) or number > 1e9:
            message = f"must be a number {'above' if strict else 'from'} {least:g}, got {text!r}"
            raise argparse.ArgumentTypeError(message)
        return number

    return read


def _read(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
