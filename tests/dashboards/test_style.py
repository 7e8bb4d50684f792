"""What a panel says of itself while it has no figures."""

import pytest

from boards.style import EMPTY, NOTHING, told, when_empty


@pytest.mark.parametrize(
    ("needs", "brief", "said"),
    [
        ("", False, NOTHING),
        ("", True, "nothing read"),
        ("traffic, and a price", False, "no data yet: needs traffic, and a price"),
        ("traffic, and a price", True, "needs traffic"),
        ("an SLO (settings: slos)", True, "needs an SLO"),
        (f"{EMPTY}no alert fires", False, "no alert fires"),
    ],
)
def test_an_empty_panel_says_what_it_waits_for(needs, brief, said):
    assert when_empty(needs, brief=brief) == said


def test_a_description_tells_in_full_what_a_panel_of_big_numbers_has_no_room_for():
    assert (
        told("Plain words.", "an SLO (settings: slos)") == "Plain words. Empty until there is an SLO (settings: slos)."
    )


def test_a_description_says_nothing_of_what_is_never_missing():
    assert told("Plain words.", "") == "Plain words."
    assert told("Plain words.", f"{EMPTY}no alert fires") == "Plain words."
