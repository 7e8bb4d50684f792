"""The catalogue: the public names, and the manners that every one of them keeps."""

import math
import re
from dataclasses import replace

import pytest

from builders import A100, ICELAND, LECTURE_7B, POLAND, deployment, engine, gpu, serving, work, world
from pentameter import catalogue
from pentameter.carbon.basis import CarbonBasis
from pentameter.carbon.embodied import Bounds, Embodied, MadeGpu, MadeServer
from pentameter.catalogue import CATALOGUE
from pentameter.metric import Dimension, Unit
from pentameter.readings import Histogram, LanguageReading

ENGINE = ("server", "model_name", "engine")
RIVAL = ("api_provider", "api_model", "vintage", "status")
LATENCY = (*ENGINE, "window", "stat", "basis")
SOURCE = ("source", "server")

# The contract with dashboards and alerts: a change here breaks somebody.
CONTRACT = {
    "model_info": (
        *ENGINE,
        "architecture",
        "quantization",
        "kv_cache_dtype",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "spec",
        "origin",
        "contexts",
    ),
    "model_unknown": (*ENGINE, "reason"),
    "model_parameters": (*ENGINE, "kind"),
    "model_flops_total": (*ENGINE, "phase", "basis"),
    "mfu_ratio": (*ENGINE, "window", "phase", "basis"),
    "engine_steps_total": ENGINE,
    "gpu_peak_flops_per_second": (*ENGINE, "precision", "source"),
    "arithmetic_intensity_flops_per_byte": (*ENGINE, "window", "phase", "basis"),
    "roofline_ridge_flops_per_byte": (*ENGINE, "precision"),
    "roofline_bound": (*ENGINE, "window", "phase", "bound"),
    "ttft_seconds": LATENCY,
    "tpot_seconds": LATENCY,
    "inter_token_latency_seconds": LATENCY,
    "e2e_latency_seconds": LATENCY,
    "queue_time_seconds": LATENCY,
    "prefill_time_seconds": LATENCY,
    "decode_time_seconds": LATENCY,
    "request_ttft_seconds": ENGINE,
    "request_tpot_seconds": ENGINE,
    "request_e2e_seconds": ENGINE,
    "requests_arrived_total": ENGINE,
    "requests_aborted_total": ENGINE,
    "offered_requests_per_second": (*ENGINE, "window"),
    "requests_stalled_seconds": ENGINE,
    "slo_requests_total": (*ENGINE, "slo", "verdict"),
    "slo_objective_misses_total": (*ENGINE, "slo", "objective"),
    "slo_unjudged_requests_total": (*ENGINE, "slo", "reason"),
    "slo_good_tokens_total": (*ENGINE, "slo"),
    "slo_attainment_ratio": (*ENGINE, "window", "slo", "bound"),
    "slo_target_ratio": (*ENGINE, "slo"),
    "slo_threshold_seconds": (*ENGINE, "slo", "objective"),
    "slo_policy_info": (*ENGINE, "slo", "aborted", "failed", "rejected", "one_token", "preempted"),
    "slo_score_ratio": (*ENGINE, "slo"),
    "request_record_coverage_ratio": (*ENGINE, "window"),
    "goodput_bound_requests_per_second": (*ENGINE, "window", "slo", "bound"),
    "goodput_requests_per_second": (*ENGINE, "window", "slo"),
    "goodput_tokens_per_second": (*ENGINE, "window", "slo"),
    "goodput_per_gpu_requests_per_second": (*ENGINE, "window", "slo"),
    "goodput_per_gpu_tokens_per_second": (*ENGINE, "window", "slo"),
    "goodput_capacity_requests_per_second": (*ENGINE, "slo", "bound"),
    "goodput_capacity_per_gpu_requests_per_second": (*ENGINE, "slo", "bound"),
    "goodput_capacity_state": (*ENGINE, "slo", "state"),
    "goodput_capacity_constraint_info": (*ENGINE, "slo", "constraint"),
    "goodput_capacity_highest_rate_requests_per_second": (*ENGINE, "slo"),
    "goodput_capacity_dispersion_ratio": (*ENGINE, "slo"),
    "goodput_capacity_windows": (*ENGINE, "slo"),
    "goodput_load_ratio": (*ENGINE, "window", "slo", "bound"),
    "request_records_total": ("source", "outcome"),
    "tokens_total": (*ENGINE, "phase"),
    "tokens_per_second": (*ENGINE, "window", "phase"),
    "requests_per_second": (*ENGINE, "window"),
    "requests_running": ENGINE,
    "requests_waiting": ENGINE,
    "window_coverage_seconds": (*ENGINE, "window"),
    "weights_bytes": (*ENGINE, "basis"),
    "weights_per_gpu_bytes": (*ENGINE, "basis"),
    "gpu_memory_overhead_bytes": (*ENGINE, "basis"),
    "mbu_ratio": (*ENGINE, "window", "phase", "basis"),
    "decode_step_mbu_ratio": (*ENGINE, "window"),
    "memory_read_bytes_total": (*ENGINE, "phase", "basis", "what"),
    "memory_written_bytes_total": (*ENGINE, "phase", "basis", "what"),
    "gpu_peak_memory_bandwidth_bytes_per_second": (*ENGINE, "source"),
    "kv_cache_usage_ratio": ENGINE,
    "kv_cache_capacity_tokens": ENGINE,
    "kv_cache_bytes_per_token": ENGINE,
    "kv_cache_bytes": (*ENGINE, "state"),
    "kv_cache_waste_ratio": ENGINE,
    "kv_cache_waste_reference_ratio": ENGINE,
    "kv_cache_free_sequences": (*ENGINE, "window"),
    "preemptions_total": ENGINE,
    "preemption_ratio": (*ENGINE, "window"),
    "prefix_cache_hit_ratio": (*ENGINE, "window"),
    "prefix_cache_saved_tokens_total": ENGINE,
    "prefix_cache_saved_flops_total": (*ENGINE, "basis"),
    "prefix_cache_saved_joules_total": (*ENGINE, "basis"),
    "prefix_cache_saved_dollars_total": (*ENGINE, "basis"),
    "quantization_weights_bytes": (*ENGINE, "format"),
    "quantization_tpot_floor_seconds": (*ENGINE, "window", "format"),
    "quantization_sequences": (*ENGINE, "window", "format"),
    "gpu_memory_used_bytes": ("gpu",),
    "gpu_memory_total_bytes": ("gpu",),
    "energy_joules_total": (*ENGINE, "component", "basis"),
    "active_energy_joules_total": (*ENGINE, "component"),
    "idle_energy_joules_total": (*ENGINE, "component"),
    "asleep_energy_joules_total": (*ENGINE, "component"),
    "unobserved_energy_joules_total": (*ENGINE, "component"),
    "power_watts": (*ENGINE, "component"),
    "energy_per_token_joules": (*ENGINE, "window", "tokens", "scope"),
    "energy_per_request_joules": (*ENGINE, "window", "scope"),
    "phase_energy_joules_total": (*ENGINE, "phase", "basis"),
    "energy_per_phase_token_joules": (*ENGINE, "phase", "basis"),
    "energy_per_phase_token_error_joules": (*ENGINE, "phase", "basis"),
    "energy_split_idle_watts": (*ENGINE, "basis"),
    "energy_split_fit_ratio": ENGINE,
    "energy_split_condition": ENGINE,
    "energy_split_known": (*ENGINE, "reason"),
    "energy_per_good_request_joules": (*ENGINE, "window", "slo", "scope"),
    "gpu_energy_joules_total": ("gpu",),
    "gpu_energy_info": ("gpu", "method", "scope"),
    "gpu_energy_audit_ratio": ("gpu", "window"),
    "gpu_energy_anomalies_total": ("gpu", "kind"),
    "gpu_power_watts": ("gpu",),
    "gpu_power_limit_watts": ("gpu",),
    "gpu_utilization_ratio": ("gpu",),
    "gpu_temperature_celsius": ("gpu",),
    "gpu_throttled_seconds_total": ("gpu", "reason", "basis"),
    "grid_intensity_grams_per_kwh": ("region", "source", "factor_type"),
    "grid_resolution_info": ("region", "step", "source", "factor_type"),
    "grid_intensity_quality": ("region",),
    "grid_intensity_age_seconds": ("region", "source"),
    "grid_marginal_intensity_grams_per_kwh": ("region", "source", "factor_type"),
    "market_intensity_grams_per_kwh": (),
    "other_grid_intensity_grams_per_kwh": ("other_region", "source", "factor_type"),
    "carbon_grams_total": (*ENGINE, "kind", "region"),
    "carbon_scope_info": (*ENGINE, "scope"),
    "market_carbon_grams_total": ENGINE,
    "other_region_carbon_grams_total": (*ENGINE, "other_region"),
    "embodied_carbon_grams": (*ENGINE, "bound"),
    "embodied_lifetime_seconds": (),
    "carbon_per_token_grams": (*ENGINE, "window", "kind", "region"),
    "carbon_per_request_grams": (*ENGINE, "window", "kind", "region"),
    "carbon_per_page_grams": (*ENGINE, "window", "kind", "region"),
    "sci_per_token_grams": (*ENGINE, "window", "region", "scope", "bound"),
    "embodied_carbon_ratio": (*ENGINE, "window", "bound"),
    "cost_dollars_total": (*ENGINE, "component"),
    "cost_per_hour_dollars": (*ENGINE, "component"),
    "gpu_price_per_hour_dollars": ENGINE,
    "gpu_price_info": (
        *ENGINE,
        "origin",
        "provider",
        "region",
        "instance_type",
        "gpu_type",
        "pricing",
        "as_of",
        "source",
    ),
    "gpu_price_as_of_timestamp_seconds": ENGINE,
    "gpu_price_unknown": (*ENGINE, "reason"),
    "price_table_as_of_timestamp_seconds": ("table", "row"),
    "cost_per_million_tokens_dollars": (*ENGINE, "window", "tokens", "method"),
    "cost_input_share_ratio": (*ENGINE, "window", "method"),
    "cost_per_request_dollars": (*ENGINE, "window"),
    "cost_per_good_request_dollars": (*ENGINE, "window", "slo"),
    "cost_per_million_good_tokens_dollars": (*ENGINE, "window", "slo"),
    "adapter_cost_dollars_total": (*ENGINE, "adapter", "method"),
    "idle_cost_per_hour_dollars": (*ENGINE, "window"),
    "active_cost_dollars_total": (*ENGINE, "component"),
    "idle_cost_dollars_total": (*ENGINE, "component"),
    "asleep_cost_dollars_total": (*ENGINE, "component"),
    "unobserved_cost_dollars_total": (*ENGINE, "component"),
    "warmup_cost_dollars_total": (*ENGINE, "component"),
    "api_price_dollars_per_million_tokens": (
        "api_provider",
        "api_model",
        "tokens",
        "vintage",
        "status",
        "as_of",
        "origin",
    ),
    "api_equivalent_cost_per_hour_dollars": (*ENGINE, "window", *RIVAL),
    "self_hosting_cost_ratio": (*ENGINE, "window", *RIVAL),
    "break_even_tokens_per_hour": (*ENGINE, *RIVAL),
    "break_even_tokens_per_month": (*ENGINE, *RIVAL),
    "break_even_utilization_ratio": (*ENGINE, "slo", *RIVAL),
    "tokens_per_thousand_words": (*ENGINE, "language"),
    "cost_per_thousand_words_dollars": (*ENGINE, "window", "language", "tokens"),
    "language_extra_cost_ratio": (*ENGINE, "language"),
    "cost_drift_ratio": (*ENGINE, "window", "since", "cause"),
    "energy_drift_ratio": (*ENGINE, "window", "since", "cause"),
    "carbon_drift_ratio": (*ENGINE, "window", "since", "cause"),
    "load_matched_ratio": (*ENGINE, "quantity", "against"),
    "load_matched_periods": (*ENGINE, "quantity", "against"),
    "load_table_days": (*ENGINE, "quantity"),
    "cost_per_million_tokens_at_capacity_dollars": (*ENGINE, "slo", "bound"),
    "cost_at_capacity_drift_ratio": (*ENGINE, "slo", "against"),
    "source_up": (*SOURCE, "reason"),
    "source_absent": (*SOURCE, "reason"),
    "source_last_success_timestamp_seconds": SOURCE,
    "source_failures_total": SOURCE,
    "source_reads_total": SOURCE,
    "source_read_duration_seconds": SOURCE,
    "source_resets_total": SOURCE,
    "build_info": ("version", "python_version"),
    "engine_info": (*ENGINE, "vllm_version", "block_size", "cache_dtype", "gpu_type", "counts_flops"),
    "gpu_info": (
        "gpu",
        "index",
        "name",
        "gpu_type",
        "driver_version",
        "compute_capability",
        "source",
        "server",
    ),
    "host_cpu_utilization_ratio": ("window",),
    "host_memory_used_bytes": (),
}

every = pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)


def test_the_public_names_and_their_labels_are_the_contract():
    assert {m.name: m.labels for m in CATALOGUE} == {f"pentameter_{name}": labels for name, labels in CONTRACT.items()}


def test_no_name_is_used_twice():
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def test_every_dimension_has_metrics():
    assert {metric.dimension for metric in CATALOGUE} == set(Dimension)


@every
def test_a_name_is_in_snake_case_behind_the_prefix_and_without_a_colon(metric):
    assert re.fullmatch(r"pentameter(_[a-z][a-z0-9]*)+", metric.name)


@every
def test_counters_and_only_counters_end_in_total(metric):
    assert metric.kind in ("counter", "gauge", "histogram")
    assert metric.name.endswith("_total") == (metric.kind == "counter")


@every
def test_a_name_ends_with_its_unit(metric):
    stem = metric.name.removesuffix("_total")
    if metric.unit is Unit.NONE:
        units = "|".join(unit.value for unit in Unit if unit is not Unit.NONE)
        assert not re.search(rf"_({units})$", stem)
    else:
        assert stem.endswith(f"_{metric.unit.value}")


@every
def test_no_suffix_pretends_to_be_part_of_a_histogram_or_summary(metric):
    assert not re.search(r"_(bucket|count|sum|created)$", metric.name)


def test_no_name_is_what_a_histogram_or_a_counter_adds_to_another():
    added = {
        f"{metric.name.removesuffix('_total')}{suffix}"
        for metric in CATALOGUE
        for suffix in ("_bucket", "_count", "_sum", "_created")
    }
    assert not added & {metric.name for metric in CATALOGUE}


@every
def test_no_label_collides_with_what_prometheus_or_a_histogram_adds(metric):
    assert not {"le", "quantile", "job", "instance"} & set(metric.labels)
    assert len(set(metric.labels)) == len(metric.labels)
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in metric.labels)


@every
def test_the_help_is_sentences(metric):
    assert re.match(r"[A-Z0-9]", metric.help)
    assert metric.help.endswith(".")
    assert "  " not in metric.documentation
    assert "\n" not in metric.documentation


@every
def test_the_help_of_a_rolling_figure_says_so(metric):
    if "window" in metric.labels:
        assert "window" in metric.help
        assert metric.kind == "gauge", "what only ever grows has no window"


@every
def test_a_figure_of_a_dimension_tells_its_formula(metric):
    if metric.dimension is not Dimension.HEALTH:
        assert metric.formula
    assert not metric.formula.endswith(".")


@every
def test_an_estimate_names_its_basis(metric):
    if "basis" in metric.labels:
        assert "basis=" in metric.help


def full_world():
    """Return a world in which every dimension has something to say."""
    deltas = dict.fromkeys(
        (
            "flops_per_gpu",
            "read_bytes_per_gpu",
            "write_bytes_per_gpu",
            "generation_tokens",
            "prompt_tokens",
            "preemptions",
        ),
        10.0,
    )
    done = work(weights_decode=1e9, flops_decode_16bit=1e9)
    one = engine(
        deltas,
        tick=deltas,
        spec=A100,
        histograms={"iteration_tokens": Histogram((math.inf,), (1.0,), 1.0)},
        served_model=serving(LECTURE_7B),
        work=done,
        work_tick=done,
    )
    board = gpu(10.0, tick=1.0, power_limit_watts=400.0)
    gpus = [replace(board, throttled={"power_cap": 0.0}, throttled_bases={"power_cap": "counter"})]
    making = Embodied({"H100-SXM-80GB": MadeGpu(Bounds(1, 2, 3), "s")}, {"s": MadeServer(Bounds(1, 2, 3), 8)})
    return world(
        deployment(one, gpus=gpus, gpu_count=1, price=1.0, gpu_names=("H100-SXM-80GB",)),
        grid=POLAND,
        carbon=CarbonBasis(market_grams_per_kwh=0.0, marginal=ICELAND, others=(POLAND, ICELAND), embodied=making),
        elapsed_seconds=1.0,
        languages={"a": LanguageReading("a", "m", {"en": 770, "hi": 1400}, 1000, 0.0, 0.0)},
    )


def test_gauges_and_histograms_come_as_samples_and_counters_as_increments():
    assert {sample.metric.kind for sample in catalogue.samples(full_world())} <= {"gauge", "histogram"}
    assert {sample.metric.kind for sample in catalogue.increments(full_world())} == {"counter"}


def test_every_dimension_is_asked():
    samples, increments = catalogue.samples(full_world()), catalogue.increments(full_world())
    assert {sample.metric.dimension for sample in samples} == set(Dimension)
    assert {sample.metric.name for sample in increments} == {
        "pentameter_model_flops_total",
        "pentameter_engine_steps_total",
        "pentameter_memory_read_bytes_total",
        "pentameter_memory_written_bytes_total",
        "pentameter_preemptions_total",
        "pentameter_tokens_total",
        "pentameter_prefix_cache_saved_tokens_total",
        "pentameter_prefix_cache_saved_flops_total",
        "pentameter_prefix_cache_saved_joules_total",
        "pentameter_prefix_cache_saved_dollars_total",
        "pentameter_energy_joules_total",
        "pentameter_active_energy_joules_total",
        "pentameter_idle_energy_joules_total",
        "pentameter_asleep_energy_joules_total",
        "pentameter_unobserved_energy_joules_total",
        "pentameter_gpu_energy_joules_total",
        "pentameter_gpu_energy_anomalies_total",
        "pentameter_gpu_throttled_seconds_total",
        "pentameter_carbon_grams_total",
        "pentameter_market_carbon_grams_total",
        "pentameter_other_region_carbon_grams_total",
        "pentameter_cost_dollars_total",
        "pentameter_active_cost_dollars_total",
        "pentameter_idle_cost_dollars_total",
        "pentameter_asleep_cost_dollars_total",
        "pentameter_unobserved_cost_dollars_total",
        "pentameter_warmup_cost_dollars_total",
    }


def test_no_series_is_made_twice():
    keys = [sample.key for part in (catalogue.samples, catalogue.increments) for sample in part(full_world())]
    assert len(set(keys)) == len(keys)


def test_only_what_is_in_the_catalogue_is_made():
    made = {sample.metric for part in (catalogue.samples, catalogue.increments) for sample in part(full_world())}
    assert made <= set(CATALOGUE)
