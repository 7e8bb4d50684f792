"""The board of computation: how much of what the GPUs could compute is done, and what holds back the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards import figures, replicas
from boards.kit import Board, Column, Row, query, select, stat, table, target, timeseries
from boards.money import MODEL as MODEL_NAME
from boards.parts import MODEL, PEAKS, TRAFFIC

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

_MFU = "pentameter_mfu_ratio"
_RIDGE = "pentameter_roofline_ridge_flops_per_byte"
_INFO = "pentameter_model_info"
_SEEN = select("pentameter_window_coverage_seconds")
_MODEL_LABELS = {
    "model_name": "Model",
    "server": "Server",
    "engine": "Engine",
    "architecture": "Architecture",
    "quantization": "Quantisation",
    "kv_cache_dtype": "KV cache",
    "tensor_parallel_size": "Tensor parallel",
    "pipeline_parallel_size": "Pipeline parallel",
    "contexts": "Contexts from",
}


def _parameters(kind: str) -> Column:
    labels = ", ".join(_MODEL_LABELS)
    size = select("pentameter_model_parameters", kind=kind)
    figure = f"{select(_INFO)} * on (cluster, namespace, instance, server, model_name, engine) group_left () {size}"
    return Column(f"Parameters, {kind}", f"max by ({labels}) ({figure})", "short")


def _limit(title: str, phase: str) -> dashboard.Panel:
    """Return what limits a phase: the sum of the greatest and the least flag is 1 where the engines differ."""
    flags = f"max by (model_name) ({replicas.bound(phase)}) + min by (model_name) ({replicas.bound(phase)})"
    return stat(
        title,
        [query(flags, MODEL_NAME)],
        unit="none",
        text="By the phase's own work against the roofline. Prefill should be limited by computing; decode is by memory"
        " unless very many sequences decode at once. mixed: the engines of the model differ.",
        span=4,
        needs=PEAKS,
        values={"2": ("compute", "blue"), "1": ("mixed", "text"), "0": ("memory", "purple")},
    )


FINE = Row(
    "Is it fine?",
    (
        stat(
            "MFU",
            [query(figures.mfu("model_name", "all", "model"), MODEL_NAME)],
            unit="percentunit",
            text="Share of what the GPUs could compute in all of the window, idle time included. A server that mostly"
            " decodes has a low one by nature: the lecture's 20 to 45 % are of training.",
            span=4,
            decimals=1,
            needs=PEAKS,
        ),
        stat(
            "MBU",
            [query(figures.mbu("model_name", "all", "model"), MODEL_NAME)],
            unit="percentunit",
            text="Share of the bytes that the GPUs' memory could have moved in all of the window, idle time included."
            " Decode lives on it.",
            span=4,
            decimals=1,
            needs=PEAKS,
        ),
        _limit("Prefill is limited by", "prefill"),
        _limit("Decode is limited by", "decode"),
        stat(
            "Output tokens per step",
            [query(figures.tokens_per_step(), MODEL_NAME)],
            unit="none",
            text="Mean number of sequences that an engine's step makes a token for: the batch that decode shares the"
            " weights among.",
            span=4,
            decimals=1,
            needs=TRAFFIC,
        ),
        stat(
            "Unknown models",
            [query(f"count ({select('pentameter_model_unknown')}) or 0 * count ({_SEEN})", "models")],
            unit="none",
            text="Engines whose model is not understood: all their figures of basis=model are left out, and the label"
            " reason of the metric says why.",
            span=4,
            decimals=0,
            steps={1: "orange"},
        ),
    ),
)

UTILISATION = Row(
    "Use of the GPUs' computing power",
    (
        timeseries(
            "MFU by phase",
            [query(figures.mfu("model_name, phase", basis="model"), f"{{{{phase}}}} {MODEL_NAME}")],
            unit="percentunit",
            text="The two phases are shares of the same whole and add up to all. Engines are weighted by the peak of"
            " their GPU.",
            span=8,
            needs=PEAKS,
        ),
        timeseries(
            "Output tokens, all and good",
            [
                query(figures.output_tokens_per_second(), f"all {MODEL_NAME}"),
                query(
                    f"sum by (model_name, slo) ({select('pentameter_goodput_tokens_per_second')})",
                    f"good {{{{slo}}}} {MODEL_NAME}",
                ),
            ],
            unit="short",
            axis="tokens/s",
            decimals=1,
            text="What comes of the work. good: of requests that kept the SLO (from request records). Work for a"
            " request that came too late was done all the same.",
            span=8,
        ),
        timeseries(
            "Output tokens per step over time",
            [query(figures.tokens_per_step(), MODEL_NAME)],
            unit="none",
            text="A greater batch uses the same reading of the weights for more tokens: MFU rises with it.",
            span=8,
            needs=TRAFFIC,
        ),
    ),
)

ROOFLINE = Row(
    "Roofline: is computing or memory the limit?",
    (
        timeseries(
            "Arithmetic intensity against the ridge",
            [
                query(figures.intensity(), f"{{{{phase}}}} {MODEL_NAME}"),
                target(
                    f"max by (precision) ({select(_RIDGE, precision='=~16bit|fp8')})",
                    "ridge at {{precision}}",
                ),
            ],
            unit="short",
            axis="FLOP per byte",
            decimals=0,
            text="FLOPs over bytes moved. Below the dashed ridge memory bandwidth is the limit, above it computing; a"
            " model in FP8 has the FP8 ridge. The lecture has 50 to 200 for prefill and 1 to 10 for decode; a large"
            " prefill batch is far above, a large decode batch too.",
            needs=PEAKS,
            logarithmic=True,
            height=11,
        ),
        timeseries(
            "Computing and memory bandwidth in use",
            [
                query(figures.mfu("model_name", "all", "model"), f"MFU {MODEL_NAME}"),
                query(figures.mbu("model_name", "all", "model"), f"MBU {MODEL_NAME}"),
            ],
            unit="percentunit",
            text="The greater of the two is the nearer limit. Where both are low, the GPU waits: for requests, for the"
            " processor, or for other GPUs.",
            needs=PEAKS,
            height=11,
        ),
    ),
)

DETAILS = Row(
    "Details: models and peaks",
    (
        table(
            "Models",
            _MODEL_LABELS,
            (_parameters("total"), _parameters("active")),
            widths={"Server": 110, "Engine": 70, "Architecture": 170, "Quantisation": 100, "KV cache": 80},
            text="What the engines were found to serve. A mixture of experts uses the active parameters alone.",
            needs=MODEL,
            height=6,
        ),
        table(
            "Peaks of one GPU",
            {"server": "Server", "engine": "Engine", "precision": "Precision"},
            (
                Column(
                    "Peak",
                    f"max by (server, engine, precision) ({select('pentameter_gpu_peak_flops_per_second')})",
                    "flops",
                ),
                Column(
                    "Ridge, FLOPs per byte",
                    f"max by (server, engine, precision) ({select(_RIDGE)})",
                    "none",
                    decimals=0,
                ),
            ),
            text="Dense, without structured sparsity. The ridge is the peak over the memory bandwidth.",
            height=6,
            needs=PEAKS,
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    slug="computation",
    title="Computation and roofline",
    description="How much of what the GPUs can compute is done, by phase, and whether computing or memory limits it.",
    rows=(FINE, UTILISATION, ROOFLINE, replicas.COMPUTATION, DETAILS),
)
