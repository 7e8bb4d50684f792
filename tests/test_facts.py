"""The shipped tables: literal rows, whole-name look-up, and a source on every row."""

import csv
import re
from collections import Counter
from importlib.resources import files

import pytest

from pentameter.facts import find_gpu, gpu_specs, grid_intensities
from pentameter.model.spec import Precision

SPECS = gpu_specs()


def rows(table):
    text = files("pentameter.facts").joinpath(table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def gpu(name):
    spec = find_gpu(name, SPECS)
    return spec and spec.gpu


def test_an_h100_sxm_does_989_dense_teraflops_and_reads_three_and_a_third_terabytes_a_second():
    spec = find_gpu("NVIDIA H100 80GB HBM3", SPECS)
    assert spec is not None
    assert spec.gpu == "H100-SXM-80GB"
    assert spec.peak_flops == 989.4e12
    assert spec.memory_bandwidth == 3.35e12


def test_a_gpu_is_found_by_its_name_in_the_table_as_well():
    assert gpu("H100-SXM-80GB") == "H100-SXM-80GB"


@pytest.mark.parametrize(
    ("nvml_name", "expected"),
    [
        ("NVIDIA H200", "H200-SXM-141GB"),
        ("NVIDIA H200 NVL", "H200-NVL-141GB"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA H100 PCIe", "H100-PCIE-80GB"),
        ("NVIDIA H100 NVL", "H100-NVL-94GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"),
        ("NVIDIA A100 80GB PCIe", "A100-PCIE-80GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA H20", "H20-96GB"),
        ("NVIDIA H20-3e", "H20-141GB"),
        ("NVIDIA GB200", "GB200-NVL72"),
        ("NVIDIA B200", "B200-SXM"),
        ("NVIDIA B300 SXM6 AC", "B300-SXM"),
        ("NVIDIA GH200 480GB", "GH200-96GB"),
        ("NVIDIA GH200 144G HBM3e", "GH200-144GB"),
    ],
)
def test_the_name_that_nvml_gives_leads_to_its_own_row(nvml_name, expected):
    assert gpu(nvml_name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA H100",
        "NVIDIA B300",
        "NVIDIA RTX PRO 6000 Blackwell Server Edition",
        "NVIDIA",
        "h100-sxm-80gb",
        "",
    ],
)
def test_a_name_that_only_resembles_a_row_is_unknown(name):
    assert gpu(name) is None


def test_no_name_leads_to_two_gpus():
    names = Counter(name for spec in SPECS for name in {spec.gpu, *spec.nvml_names})
    assert [name for name, count in names.items() if count > 1] == []


def test_every_gpu_has_a_name_a_peak_a_bandwidth_a_source_and_a_date():
    for row in rows("gpu_specs.csv"):
        assert row["gpu"]
        assert all(name and name == name.strip() for name in row["nvml_names"].split("|"))
        assert float(row["fp16_dense_tflops"]) > 0
        assert float(row["memory_bandwidth_gbs"]) > 0
        assert row["source"].strip()
        assert re.fullmatch(r"20[2-9]\d-(0[1-9]|1[0-2])", row["as_of"])
        assert None not in row, "more cells than columns: a comma in a cell is not quoted"


def test_no_gpu_is_in_the_table_from_memory_alone():
    for row in rows("gpu_specs.csv"):
        assert row["verified"] in {"datasheet", "second-source"}
        assert row["checked_against"].strip()
    assert {spec.verified for spec in SPECS} == {"datasheet", "second-source"}


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        # Printed with sparsity in the datasheets; here half of that.
        ("H100-SXM-80GB", {"32bit": 66.9, "16bit": 989.4, "fp8": 1979, "int8": 1979}),
        ("L4", {"32bit": 30.3, "16bit": 121, "fp8": 242, "int8": 242}),
        ("B200-SXM", {"32bit": 75, "16bit": 2250, "fp8": 4500, "int8": 4500, "fp4": 9000}),
        # With FP32 accumulation, which GeForce cards do at half the rate.
        ("RTX 4090", {"32bit": 82.6, "16bit": 165.2, "fp8": 330.3, "int8": 660.6}),
        # Nothing smaller than what the hardware has.
        ("V100-SXM2-32GB", {"32bit": 15.7, "16bit": 125}),
        ("A100-SXM4-80GB", {"32bit": 19.5, "16bit": 312, "int8": 624}),
        # On these the sources disagree about FP4 and INT8.
        ("B300-SXM", {"32bit": 75, "16bit": 2250, "fp8": 4500}),
    ],
)
def test_a_gpu_has_a_dense_peak_for_each_precision_that_it_offers(name, teraflops):
    spec = find_gpu(name, SPECS)
    assert spec is not None
    assert spec.peaks == {Precision(precision): pytest.approx(value * 1e12) for precision, value in teraflops.items()}
    assert spec.peak_flops == spec.peaks[Precision.BITS16]


def test_smaller_numbers_are_computed_faster_by_the_factors_that_the_architectures_have():
    # A ratio of four would be a sparse figure beside a dense one.
    for spec in SPECS:
        peaks = spec.peaks
        eight_bit = [peaks[p] / peaks[Precision.BITS16] for p in (Precision.FP8, Precision.INT8) if p in peaks]
        geforce = "GeForce" in spec.nvml_names[0]
        factors = (2, 4) if geforce else (2,)
        assert all(any(r == pytest.approx(factor, rel=0.02) for factor in factors) for r in eight_bit), spec.gpu


def test_a_gpus_memory_and_power_are_those_that_its_driver_shows():
    spec = find_gpu("NVIDIA H200", SPECS)
    assert spec is not None
    assert spec.memory_bytes == 143_771 * 1_048_576
    assert spec.tdp_watts == 700.0
    unknown = find_gpu("NVIDIA L20", SPECS)
    assert unknown is not None
    assert unknown.tdp_watts is None


def test_specifications_can_be_compared_and_collected():
    assert len(set(SPECS)) == len(SPECS)
    assert set(gpu_specs()) == set(SPECS)


@pytest.mark.parametrize(
    ("region", "grams_per_kwh"), [("POL", 588.6), ("ISL", 27.82), ("WORLD", 458.29), ("USA", 384.4)]
)
def test_the_grid_of_a_region_emits_what_the_yearly_table_says(region, grams_per_kwh):
    grid = grid_intensities()[region]
    assert (grid.region, grid.grams_per_kwh, grid.factor_type) == (region, grams_per_kwh, "lifecycle")


def test_the_source_of_a_grid_figure_names_its_year():
    assert grid_intensities()["POL"].source == "Ember via Our World in Data 2025"
