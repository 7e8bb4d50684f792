"""From the settings to the grid and to what else carbon is reckoned with."""

import pytest

from pentameter.carbon_settings import settings_to_carbon, settings_to_grid
from pentameter.config_carbon import Carbon
from pentameter.config_grid import Grid


def test_nothing_configured_is_no_grid():
    assert settings_to_grid(Grid()) is None


@pytest.mark.parametrize(
    ("grid", "region", "grams", "step"),
    [
        ({"region": "PL"}, "POL", 588.6, "country"),
        ({"region": "us-east-1"}, "aws:us-east-1", 327.17, "state"),
        ({"region": "us-east-1", "factor_type": "direct"}, "aws:us-east-1", 244.76, "state"),
        ({"region": "us-east-1", "odbl_zones": True}, "aws:us-east-1", 418, "zone"),
        ({"region": "pol", "grams_per_kwh": 12}, "POL", 12, "override"),
        ({"region": "my roof", "grams_per_kwh": 45}, "my roof", 45, "override"),
        ({"grams_per_kwh": 45}, "configured", 45, "override"),
    ],
)
def test_a_region_and_an_own_figure_become_the_grid(grid, region, grams, step):
    found = settings_to_grid(Grid(**grid))
    assert found is not None
    assert (found.region, found.grams_per_kwh, found.step) == (region, grams, step)


@pytest.mark.parametrize(
    ("region", "message"),
    [("Polnad", "grid.region: no grid is known for 'Polnad'; near it are POL"), ("Georgia", "GEO or US-GA")],
)
def test_a_region_that_is_unknown_or_ambiguous_is_refused(region, message):
    with pytest.raises(ValueError, match=message):
        settings_to_grid(Grid(region=region))


def test_by_default_ten_grids_are_compared_and_the_table_of_hardware_is_used():
    basis = settings_to_carbon(Carbon(), Grid())
    regions = ["ISL", "NOR", "FRA", "GBR", "DEU", "USA", "CHN", "POL", "IND", "WORLD"]
    assert [other.region for other in basis.others] == regions
    assert {other.factor_type for other in basis.others} == {"lifecycle"}
    assert basis.embodied is not None
    assert basis.embodied.lifetime_years == 4
    assert "H100-SXM-80GB" in basis.embodied.gpus
    assert basis.tokens_per_page == pytest.approx(666.7, abs=0.05)
    assert basis.market_grams_per_kwh is None


def test_what_is_configured_reaches_the_basis():
    carbon = Carbon.model_validate(
        {
            "compare_regions": "Poland, PL, us-east-1",
            "lifetime_years": 6,
            "gpu_kg": 1,
            "server_kg": 2,
            "gpus_per_server": 4,
            "tokens_per_page": 700,
        }
    )
    basis = settings_to_carbon(carbon, Grid(market_grams_per_kwh=0))
    assert [other.region for other in basis.others] == ["POL", "aws:us-east-1"]
    assert basis.embodied is not None
    made = basis.embodied
    assert (made.gpu_kg, made.server_kg, made.gpus_per_server, made.lifetime_years) == (1, 2, 4, 6)
    assert (basis.tokens_per_page, basis.market_grams_per_kwh) == (700, 0)


def test_grids_are_compared_by_life_cycle_figures_whatever_the_own_one_is_of():
    basis = settings_to_carbon(Carbon(compare_regions=("US-AL", "us-east-1")), Grid(factor_type="direct"))
    # Alabama has a direct figure alone, so the country's stands for it here.
    assert [(other.grams_per_kwh, other.step) for other in basis.others] == [(384.4, "country"), (327.17, "state")]


def test_hardware_and_comparisons_can_be_switched_off():
    basis = settings_to_carbon(Carbon(embodied=False, compare_regions=()), Grid())
    assert (basis.embodied, basis.others) == (None, ())


def test_an_unknown_region_to_compare_with_is_refused():
    with pytest.raises(ValueError, match=r"carbon\.compare_regions: no grid is known for 'Atlantis'"):
        settings_to_carbon(Carbon(compare_regions=("Atlantis",)), Grid())


def test_a_machine_needs_its_number_of_gpus():
    with pytest.raises(ValueError, match="server_kg needs gpus_per_server"):
        Carbon(server_kg=1000)
