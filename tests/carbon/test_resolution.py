"""The intensity of a place: the order of the steps, the type of the figure, and live readings."""

import pytest

from pentameter.carbon.intensity import GridIntensity
from pentameter.carbon.places import CloudRegion, Place
from pentameter.carbon.resolution import Factor, marginal, resolve, resolve_of_type, with_live
from pentameter.readings import GridReading


def factor(scope, region, grams, factor_type="lifecycle"):
    return Factor(scope, region, grams, factor_type, "Somebody", 2025)


ZONE = factor("zone", "US-MIDA-PJM", 418)
STATE = factor("state", "US-VA", 327.17)
DIRECT_STATE = factor("state", "US-VA", 244.76, "direct")
COUNTRY = factor("country", "USA", 384.4)
WORLD = factor("world", "WORLD", 458.29)
ALL = (WORLD, COUNTRY, DIRECT_STATE, STATE, ZONE)
ASHBURN = Place(
    "gcp:us-east4", "USA", "US-VA", "US-MIDA-PJM", CloudRegion("gcp", "us-east4", "Ashburn", "USA", "US-VA")
)
GOOGLE = factor("cloud", "gcp:us-east4", 323.05, "direct")


@pytest.mark.parametrize(
    ("factors", "grams", "step", "quality"),
    [
        (ALL, 418, "zone", 4),
        (ALL[:4], 327.17, "state", 3),
        (ALL[:2], 384.4, "country", 2),
        (ALL[:1], 458.29, "world", 1),
    ],
)
def test_the_nearest_figure_is_taken_and_says_which_step_it_was(factors, grams, step, quality):
    found = resolve(ASHBURN, factors)
    assert found == GridIntensity("gcp:us-east4", grams, "Somebody 2025", "lifecycle", step, quality)


def test_the_users_own_figure_comes_before_everything():
    found = resolve(ASHBURN, ALL, override=0.0)
    assert found == GridIntensity("gcp:us-east4", 0.0, "configured", "configured", "override", 5)


@pytest.mark.parametrize(("wanted", "grams"), [("lifecycle", 327.17), ("direct", 244.76)])
def test_among_figures_of_the_same_place_the_wanted_type_wins(wanted, grams):
    found = resolve(ASHBURN, ALL[:4], factor_type=wanted)
    assert (found.grams_per_kwh, found.factor_type) == (grams, wanted)


def test_a_nearer_place_is_worth_more_than_the_type():
    found = resolve(ASHBURN, (WORLD, COUNTRY, DIRECT_STATE))
    assert (found.grams_per_kwh, found.factor_type, found.step) == (244.76, "direct", "state")


def test_googles_direct_figures_are_used_only_where_direct_is_wanted():
    assert resolve(ASHBURN, (*ALL[:4], GOOGLE)).grams_per_kwh == 327.17
    found = resolve(ASHBURN, (*ALL, GOOGLE), factor_type="direct")
    assert (found.grams_per_kwh, found.step) == (323.05, "zone")


def test_a_place_of_which_nothing_is_known_is_not_that_of_which_nothing_is_said():
    # Rows without a region must not fit a place without a zone or a state.
    rows = (factor("zone", "", 1.0), factor("state", "", 2.0), WORLD)
    assert resolve(Place("WORLD"), rows).step == "world"


def test_tables_without_the_world_have_nothing_for_a_strange_place():
    with pytest.raises(LookupError, match="neither POL nor the world"):
        resolve(Place("POL", "POL"), (COUNTRY,))


def test_for_comparing_only_figures_of_one_type_are_used():
    found = resolve_of_type(ASHBURN, (WORLD, COUNTRY, DIRECT_STATE, GOOGLE))
    assert found is not None
    assert (found.grams_per_kwh, found.step) == (384.4, "country")
    assert resolve_of_type(ASHBURN, (DIRECT_STATE,)) is None


def reading(grams=612.0, *, kind="average", estimated=False):
    return GridReading("PL", grams, "electricity_maps", "lifecycle", kind, estimated, 0.0, 3600.0, 50.0, 4200.0)


POLAND = GridIntensity("POL", 588.6, "Ember 2025", "lifecycle", "country", 2)


@pytest.mark.parametrize(("estimated", "quality"), [(False, 5), (None, 5), (True, 4)])
def test_a_live_average_comes_before_yearly_means_under_the_places_own_name(estimated, quality):
    # Asked for at 50, when the period had been over for 600 s; now it is 80.
    found = with_live(POLAND, reading(estimated=estimated), 80.0)
    assert found == GridIntensity("POL", 612.0, "electricity_maps", "lifecycle", "live", quality, 630.0)


def test_the_users_own_figure_comes_before_a_live_one():
    own = resolve(Place("POL"), (), override=10.0)
    assert with_live(own, reading(), 80.0) is own


def test_without_a_place_a_live_average_has_the_providers_name_for_it():
    found = with_live(None, reading(), 80.0)
    assert found is not None
    assert found.region == "PL"


def test_without_a_live_reading_the_yearly_mean_stays():
    assert with_live(POLAND, None, 80.0) is POLAND


def test_a_marginal_rate_is_never_taken_for_an_average():
    live = reading(870.0, kind="marginal")
    assert with_live(POLAND, live, 80.0) is POLAND
    assert with_live(None, live, 80.0) is None
    found = marginal(live, 80.0)
    assert found is not None
    assert (found.region, found.grams_per_kwh) == ("PL", 870.0)


def test_an_average_is_never_taken_for_a_marginal_rate():
    assert marginal(reading(), 80.0) is None
    assert marginal(None, 80.0) is None
