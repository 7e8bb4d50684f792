"""Which grid a name means: every way to write it, and what is said where it means none or several."""

import pytest

from pentameter.carbon.places import AmbiguousPlaceError, CloudRegion, Gazetteer, Place, UnknownPlaceError

VIRGINIA = CloudRegion("aws", "us-east-1", "Northern Virginia", "USA", "US-VA", "US-MIDA-PJM")
OREGON = CloudRegion("aws", "us-west-2", "Oregon", "USA", "US-OR")
MONTREAL = CloudRegion("aws", "ca-central-1", "Montreal", "CAN", zone="CA-QC")
DUBLIN = CloudRegion("azure", "northeurope", "Ireland", "IRL")
TWINS = (CloudRegion("aws", "twin-1", "Ohio", "USA", "US-OH"), CloudRegion("gcp", "twin-1", "Dublin", "IRL"))
PLACES = Gazetteer(
    countries={
        "POL": ("PL", "Poland"),
        "USA": ("US", "United States"),
        "GEO": ("GE", "Georgia"),
        "CAN": ("CA", "Canada"),
        "GBR": ("GB", "United Kingdom"),
        "IRL": ("IE", "Ireland"),
        "SWE": ("SE", "Sweden"),
    },
    states={"US-VA": "Virginia", "US-GA": "Georgia", "US-OR": "Oregon", "US-OH": "Ohio"},
    clouds=(VIRGINIA, OREGON, MONTREAL, DUBLIN, *TWINS),
    zones=frozenset({"SE-SE3", "PL"}),
)


@pytest.mark.parametrize("name", ["POL", "pol", "PL", "Poland", "  poland "])
def test_a_country_has_a_long_code_a_short_one_and_a_name(name):
    assert PLACES.find(name) == Place("POL", "POL", zone="PL")


@pytest.mark.parametrize("name", ["UK", "GB", "united   kingdom", "Great Britain"])
def test_names_in_common_use_are_understood(name):
    assert PLACES.find(name).label == "GBR"


@pytest.mark.parametrize("name", ["US-VA", "us-va", "Virginia"])
def test_a_state_lies_in_its_country_and_its_zone_is_not_guessed(name):
    assert PLACES.find(name) == Place("US-VA", "USA", "US-VA")


@pytest.mark.parametrize("name", ["aws:us-east-1", "us-east-1", "AWS:US-EAST-1"])
def test_a_region_of_a_cloud_needs_its_provider_only_where_two_share_a_name(name):
    assert PLACES.find(name) == Place("aws:us-east-1", "USA", "US-VA", "US-MIDA-PJM", VIRGINIA)


def test_a_cloud_region_in_a_country_of_one_grid_is_in_that_grid():
    assert PLACES.find("azure:northeurope") == Place("azure:northeurope", "IRL", zone="IE", cloud=DUBLIN)


def test_a_cloud_region_of_a_known_state_and_an_unknown_zone_is_not_put_into_the_whole_countrys():
    assert PLACES.find("us-west-2").zone == ""


def test_a_zone_that_only_a_cloud_region_names_is_a_place_too():
    assert PLACES.find("CA-QC") == Place("CA-QC", "CAN", zone="CA-QC")
    assert PLACES.find("se-se3") == Place("SE-SE3", "SWE", zone="SE-SE3")


@pytest.mark.parametrize("name", ["WORLD", "world", "global"])
def test_the_world_is_a_place(name):
    assert PLACES.find(name) == Place("WORLD")


@pytest.mark.parametrize(
    ("name", "candidates"), [("Georgia", ("GEO", "US-GA")), ("twin-1", ("aws:twin-1", "gcp:twin-1"))]
)
def test_a_name_of_several_places_is_refused_with_all_of_them(name, candidates):
    with pytest.raises(AmbiguousPlaceError, match=" or ".join(candidates)) as caught:
        PLACES.find(name)
    assert caught.value.candidates == candidates
    assert {PLACES.find(candidate).label for candidate in candidates} == set(candidates)


@pytest.mark.parametrize(
    ("name", "near"), [("Polnd", "POL"), ("us-eats-1", "aws:us-east-1"), ("US-VX", "US-VA"), ("Virgina", "US-VA")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(UnknownPlaceError, match=near):
        PLACES.find(name)


@pytest.mark.parametrize("name", ["", "qqqqqq"])
def test_a_name_that_nothing_is_near_to_is_refused_with_examples(name):
    with pytest.raises(UnknownPlaceError, match=f"no grid is known for '{name}'; write a country such as POL, "):
        PLACES.find(name)
