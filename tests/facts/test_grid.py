"""The shipped grids: literal rows, licences, and names of clouds."""

import csv
from importlib.resources import files

import pytest

from pentameter.carbon.resolution import resolve
from pentameter.facts.grid import grid_tables

TABLES = grid_tables()


def rows(table):
    text = files("pentameter.facts").joinpath(table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def found(name, tables=TABLES, **more):
    place = tables.places.find(name)
    return resolve(place, tables.near(place), **more)


def test_poland_emits_21_times_as_much_as_iceland():
    poland, iceland = found("Poland"), found("Iceland")
    assert (poland.grams_per_kwh, poland.source) == (588.6, "Ember via Our World in Data 2025")
    assert (iceland.grams_per_kwh, iceland.source) == (27.82, "Ember via Our World in Data 2024")
    assert poland.grams_per_kwh / iceland.grams_per_kwh == pytest.approx(21.2, abs=0.05)


@pytest.mark.parametrize(
    ("name", "label", "grams", "step"),
    [
        ("us-east-1", "aws:us-east-1", 327.17, "state"),
        ("gcp:us-east4", "gcp:us-east4", 327.17, "state"),
        ("eastus2", "azure:eastus2", 327.17, "state"),
        ("gcp:europe-north1", "gcp:europe-north1", 57.47, "country"),
        ("azure:northeurope", "azure:northeurope", 256.54, "country"),
        ("ap-east-1", "aws:ap-east-1", 675.48, "country"),  # Hong Kong's own, not the mainland's 525
        ("ap-south-1", "aws:ap-south-1", 658.97, "state"),
        ("US-AL", "US-AL", 323.85, "state"),
        ("USA", "USA", 384.4, "country"),
        ("WORLD", "WORLD", 458.29, "world"),
    ],
)
def test_a_name_leads_to_the_nearest_figure_of_the_tables(name, label, grams, step):
    grid = found(name)
    assert (grid.region, grid.grams_per_kwh, grid.step) == (label, grams, step)


def test_where_direct_figures_are_wanted_those_of_egrid_and_google_are_taken():
    assert found("us-east-1", factor_type="direct").grams_per_kwh == 244.76
    assert found("gcp:europe-north2", factor_type="direct").grams_per_kwh == 2.73
    assert found("POL", factor_type="direct").factor_type == "lifecycle"


def test_zones_are_read_only_where_they_are_asked_for():
    zones = grid_tables(odbl_zones=True)
    # Quebec has hydropower; the country's mean is 4.7 times as high.
    assert (found("ca-central-1").grams_per_kwh, found("ca-central-1").step) == (190.72, "country")
    assert (found("ca-central-1", zones).grams_per_kwh, found("ca-central-1", zones).step) == (41, "zone")
    assert found("us-east-1", zones).grams_per_kwh == 418
    assert found("SE-SE3", zones).grams_per_kwh == 20
    assert found("POL", zones).grams_per_kwh == 565


def test_what_is_near_a_place_is_all_that_its_figure_depends_on():
    for cloud in TABLES.places.clouds:
        place = TABLES.places.find(cloud.key)
        for factor_type in ("lifecycle", "direct"):
            assert resolve(place, TABLES.near(place), factor_type=factor_type) == resolve(
                place, TABLES.factors, factor_type=factor_type
            )


def test_every_licence_may_be_shipped_and_the_databases_of_two_licences_are_apart():
    assert {row["licence"] for row in rows("grid_intensity.csv")} == {"CC-BY-4.0", "public domain", "Apache-2.0"}
    assert {row["licence"] for row in rows("grid_zones_odbl.csv")} == {"ODbL-1.0"}
    assert {(row["source"], row["licence"]) for row in rows("grid_intensity.csv")} == {
        ("Ember via Our World in Data", "CC-BY-4.0"),
        ("Ember", "CC-BY-4.0"),
        ("EPA eGRID", "public domain"),
        ("Google region-carbon-info", "Apache-2.0"),
    }


@pytest.mark.parametrize(("table", "key"), [("grid_intensity.csv", "region"), ("grid_zones_odbl.csv", "zone")])
def test_every_figure_is_plausible_and_has_a_source_a_year_and_a_method(table, key):
    seen = set()
    for row in rows(table):
        assert None not in row, "more cells than columns: a comma in a cell is not quoted"
        assert 0 <= float(row["grams_per_kwh"]) <= 1500
        assert 2015 <= int(row["year"]) <= 2026
        assert row["factor_type"] in {"lifecycle", "direct"}
        assert all(row[column].strip() for column in ("name", "year_basis", "method", "source"))
        seen.add((row.get("scope"), row[key], row["factor_type"]))
    assert len(seen) == len(rows(table)), "a region is there twice"


def test_no_spelling_leads_two_ways_but_that_of_georgia():
    twice = {name for name, places in TABLES.places._names.items() if len(places) > 1}
    assert twice == {"GEORGIA"}


def test_every_cloud_region_stands_in_a_country_of_the_table():
    countries = {row["region"] for row in rows("grid_intensity.csv") if row["scope"] == "country"}
    states = {row["region"] for row in rows("grid_intensity.csv") if row["scope"] == "state"}
    zones = {row["zone"] for row in rows("grid_zones_odbl.csv")}
    clouds = TABLES.places.clouds
    assert {cloud.provider for cloud in clouds} == {"aws", "gcp", "azure"}
    assert len({cloud.key for cloud in clouds}) == len(clouds)
    for cloud in clouds:
        assert cloud.country in countries
        assert not cloud.state or cloud.state in states
        assert not cloud.zone or cloud.zone in zones


def test_every_region_of_google_that_google_publishes_a_figure_of_is_known():
    keys = {cloud.key for cloud in TABLES.places.clouds}
    assert {row["region"] for row in rows("grid_intensity.csv") if row["scope"] == "cloud"} <= keys


def test_the_pue_of_a_cloud_region_is_what_its_provider_publishes():
    pue = {cloud.key: cloud.pue for cloud in TABLES.places.clouds}
    assert (pue["aws:us-east-1"], pue["aws:eu-central-1"], pue["azure:westeurope"]) == (1.15, 1.35, 1.16)
    assert all(value is not None and 1 < value < 2 for value in pue.values())
