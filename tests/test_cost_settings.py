"""From the settings to prices."""

import pytest

from pentameter.config import ConfigError, load
from pentameter.cost.split import Ratios
from pentameter.cost_settings import settings_to_costs

OWNED = {"machine_gpus": 8, "gpu_dollars": 280_320, "electricity_dollars_per_kwh": 0.08}


def costs(economics, **server):
    servers = {"servers": [{"url": "http://a:1", "name": "a", **server}]}
    tree = {"vllm": servers, "economics": economics, "energy": {"pue": 1.2}}
    return settings_to_costs(load(None, {}, tree))["a"]


def test_nothing_configured_has_no_price():
    plan = costs({})
    assert plan.quote is None
    assert plan.per_server == {}
    assert plan.dollars_per_kwh is None


def test_a_rent_is_configured_for_all_and_for_one_server():
    assert costs({"gpu_dollars_per_hour": 2.5}).quote.dollars_per_hour == 2.5
    one = costs({"gpu_dollars_per_hour": 2.5}, gpu_dollars_per_hour=4).quote
    assert (one.dollars_per_hour, one.origin) == (4, "configured")


def test_owned_hardware_pays_itself_back_and_its_electricity_is_metered():
    plan = costs({"tenancy": "owned", "owned": OWNED})
    # 280,320 dollars over four years of 8760 hours and eight GPUs.
    assert (plan.quote.dollars_per_hour, plan.quote.origin) == (1.0, "owned")
    assert plan.dollars_per_kwh == 0.08


def test_a_server_that_is_rented_beside_owned_ones_pays_no_electricity():
    plan = costs({"tenancy": "owned", "owned": OWNED}, gpu_dollars_per_hour=4)
    assert plan.quote.dollars_per_hour == 4
    assert plan.dollars_per_kwh is None
    assert plan.per_gpu == {}


def test_what_a_server_pays_as_a_whole_is_by_component():
    plan = costs(
        {
            "host_dollars_per_hour": 0.5,
            "storage_gigabytes": 730,
            "storage_dollars_per_gigabyte_month": 0.1,
            "network_dollars_per_hour": 0.25,
            "overhead_dollars_per_hour": 0.125,
            "overhead_ratio": 0.05,
        }
    )
    # 73 dollars a month of 730 hours.
    assert plan.per_server == {"host": 0.5, "storage": pytest.approx(0.1), "network": 0.25, "overhead": 0.125}
    assert plan.overhead_ratio == 0.05


@pytest.mark.parametrize("missing", OWNED)
def test_owned_hardware_without_what_it_needs_is_refused_and_the_key_named(missing):
    owned = {key: value for key, value in OWNED.items() if key != missing}
    with pytest.raises(ConfigError, match=f"owned.{missing}"):
        costs({"tenancy": "owned", "owned": owned})


def test_electricity_without_the_part_of_the_building_is_refused():
    with pytest.raises(ConfigError, match=r"energy\.pue"):
        load(None, {}, {"economics": {"tenancy": "owned", "owned": OWNED}})
    load(None, {}, {"economics": {"tenancy": "owned", "owned": {**OWNED, "electricity_dollars_per_kwh": 0}}})


def test_a_rent_and_owned_hardware_exclude_each_other():
    with pytest.raises(ConfigError, match="not both"):
        costs({"tenancy": "owned", "owned": OWNED, "gpu_dollars_per_hour": 2})


def test_ratios_of_prices_are_configured_or_unknown():
    assert costs({"split": {"output_to_input_ratio": 5, "cached_to_input_ratio": 0.1}}).ratios == Ratios(5.0, 0.1)
    assert costs({"split": {"cached_to_input_ratio": 0.1}}).ratios is None
