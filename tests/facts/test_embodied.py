"""The shipped table of embodied carbon."""

import csv
import math
from importlib.resources import files

import pytest

from pentameter.facts import gpu_specs
from pentameter.facts.embodied import embodied_table

TABLE = embodied_table()
ROWS = list(csv.DictReader(files("pentameter.facts").joinpath("embodied.csv").read_text(encoding="utf-8").splitlines()))


def kg(name):
    bounds = TABLE.gpus[name].kg
    return bounds.low, bounds.central, bounds.high


def test_three_sources_of_an_h100_differ_by_a_factor_of_three_and_a_half():
    assert kg("H100-SXM-80GB") == (164, 273, 575.1)
    low, central, high = TABLE.gpus["H100-SXM-80GB"].sources
    assert "NVIDIA" in low
    assert "EcoLogits" in central
    assert "Boavizta" in high


def test_a_server_of_eight_h100_is_boaviztas_machine_where_its_gpus_are_counted_its_way():
    # Boavizta's p5.48xlarge: 10,300 kg, of which 4,601 are GPUs.
    machine = TABLE.servers["p5.48xlarge"]
    assert machine.gpus == 8
    assert machine.kg.central + 8 * 575.1 == pytest.approx(10_300, abs=1)
    grams = TABLE.grams(["H100-SXM-80GB"] * 8)
    assert grams is not None
    assert grams.central == pytest.approx((8 * 273 + 5699) * 1000)


def test_where_no_third_source_is_known_the_middle_is_the_geometric_mean():
    for row in ROWS:
        if row["central_source"] == "geometric mean of low and high":
            mean = math.sqrt(float(row["low_kg"]) * float(row["high_kg"]))
            assert float(row["central_kg"]) == pytest.approx(mean, abs=0.06), row["name"]


def test_every_row_has_three_figures_in_order_each_with_its_source_and_a_year():
    for row in ROWS:
        assert 0 < float(row["low_kg"]) <= float(row["central_kg"]) <= float(row["high_kg"])
        assert all(row[f"{bound}_source"].strip() for bound in ("low", "central", "high"))
        assert 2020 <= int(row["year"]) <= 2026
    assert len({(row["kind"], row["name"]) for row in ROWS}) == len(ROWS)


def test_every_gpu_is_one_of_the_gpu_table_and_has_a_machine():
    known = {spec.gpu for spec in gpu_specs()}
    for name, made in TABLE.gpus.items():
        assert name in known
        assert made.server in TABLE.servers


def test_a_machine_that_is_only_of_the_same_class_says_so():
    assert TABLE.gpus["B200-SXM"].server_assumed
    assert not TABLE.gpus["H100-SXM-80GB"].server_assumed
