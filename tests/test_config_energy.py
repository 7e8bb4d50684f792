"""The settings about energy beyond the GPUs: what is taken, what is refused and in which words."""

import pytest
from pydantic import ValidationError

from pentameter.config_energy import Energy, HostEnergy
from pentameter.sources.rapl import DEFAULT_ROOT


def refusal(**keys):
    with pytest.raises(ValidationError) as caught:
        Energy(**keys)
    return [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in caught.value.errors()]


def test_without_anything_rapl_is_tried_and_nothing_is_estimated():
    energy = Energy()
    assert energy.pue is None
    assert energy.host.rapl is True
    assert energy.host.powercap == DEFAULT_ROOT
    assert energy.host.estimate is False
    assert {energy.host.idle_watts, energy.host.max_watts, energy.host.gpus, energy.host.share} == {None}


def test_every_key_can_be_set():
    host = {"rapl": False, "powercap": "/host/powercap", "idle_watts": 400, "max_watts": 1000, "gpus": 8}
    energy = Energy.model_validate({"pue": 1.15, "host": host})
    assert energy.pue == 1.15
    assert energy.host == HostEnergy(rapl=False, powercap="/host/powercap", idle_watts=400, max_watts=1000, gpus=8)
    assert Energy.model_validate({"host": {"estimate": True, "share": 0.5}}).host.share == 0.5


def test_values_may_be_text_as_variables_are():
    energy = Energy.model_validate({"pue": "1.2", "host": {"idle_watts": "1200", "gpus": "8", "rapl": "false"}})
    assert (energy.pue, energy.host.idle_watts, energy.host.gpus, energy.host.rapl) == (1.2, 1200.0, 8, False)


@pytest.mark.parametrize("pue", [1, 1.0, 5])
def test_a_building_spends_at_least_what_its_machines_do(pue):
    assert Energy(pue=pue).pue == pue


@pytest.mark.parametrize(
    ("pue", "message"),
    [
        (0.99, "Input should be greater than or equal to 1"),
        (115, "Input should be less than or equal to 5"),
        (float("nan"), "Input should be a finite number"),
    ],
)
def test_what_is_no_pue_is_refused(pue, message):
    assert refusal(pue=pue) == [("pue", message)]


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"max_watts": 900}, "max_watts needs idle_watts beside it"),
        ({"idle_watts": 900, "max_watts": 400}, "max_watts 400 is less than idle_watts 900"),
        ({"idle_watts": 900, "estimate": True}, "give idle_watts or estimate, not both"),
        ({"gpus": 8, "share": 0.5}, "give gpus or share, not both"),
    ],
)
def test_what_contradicts_itself_is_refused(host, message):
    assert refusal(host=host) == [("host", message)]


@pytest.mark.parametrize(
    ("host", "place", "message"),
    [
        ({"idle_watts": 0}, "host.idle_watts", "Input should be greater than 0"),
        ({"idle_watts": 1, "max_watts": -1}, "host.max_watts", "Input should be greater than 0"),
        ({"idle_watts": 1e6}, "host.idle_watts", "Input should be less than or equal to 100000"),
        ({"share": 0}, "host.share", "Input should be greater than 0"),
        ({"share": 1.01}, "host.share", "Input should be less than or equal to 1"),
        ({"gpus": 0}, "host.gpus", "Input should be greater than or equal to 1"),
        ({"powercap": ""}, "host.powercap", "String should have at least 1 character"),
        ({"watts": 1}, "host.watts", "Extra inputs are not permitted"),
    ],
)
def test_what_is_out_of_range_or_mistyped_is_named(host, place, message):
    assert refusal(host=host) == [(place, message)]


def test_an_empty_key_means_its_default():
    assert Energy.model_validate({"pue": None, "host": {"powercap": None}}) == Energy()


@pytest.mark.parametrize("section", [Energy, HostEnergy])
def test_every_key_says_what_it_means(section):
    keys = {name: field for name, field in section.model_fields.items() if name != "host"}
    assert [name for name, field in keys.items() if not field.description] == []
