"""The shipped tables: literal rows, whole-name look-up, and a source on every row."""

import csv
import re
from collections import Counter
from importlib.resources import files

import pytest

from pentameter.facts import find_gpu, gpu_specs, grid_intensities

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


@pytest.mark.parametrize(
    ("region", "grams_per_kwh"), [("POL", 588.6), ("ISL", 27.82), ("WORLD", 458.29), ("USA", 384.4)]
)
def test_the_grid_of_a_region_emits_what_the_yearly_table_says(region, grams_per_kwh):
    grid = grid_intensities()[region]
    assert (grid.region, grid.grams_per_kwh, grid.factor_type) == (region, grams_per_kwh, "lifecycle")


def test_the_source_of_a_grid_figure_names_its_year():
    assert grid_intensities()["POL"].source == "Ember via Our World in Data 2025"


def test_every_region_is_there_once_with_a_source_a_year_and_a_plausible_figure():
    table = rows("grid_intensity.csv")
    assert len(grid_intensities()) == len(table)
    for row in table:
        assert row["region"] == "WORLD" or (len(row["region"]) == 3 and row["region"].isupper())
        assert row["name"].strip()
        assert row["source"].strip()
        assert row["licence"].strip()
        assert 2015 <= int(row["year"]) <= 2026
        assert 0 <= float(row["grams_per_kwh"]) <= 1500
        assert None not in row, "more cells than columns: a comma in a cell is not quoted"
