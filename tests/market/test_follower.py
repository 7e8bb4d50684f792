"""The comparison follows the price book, the settings and the calendar."""

from pentameter.cost.book import ApiPrice
from pentameter.cost.dates import unix_time
from pentameter.market.basis import MarketBasis
from pentameter.market.choice import Choice
from pentameter.market.follower import MarketFollower

MORNING = unix_time("2026-11-29") + 8 * 3600.0
BOOK = (ApiPrice("Anthropic", "Claude Sonnet 4.5", 3, 15, deprecation_date="2026-11-30"), ApiPrice("Google", "G", 1, 2))


def followed(*moments, choice=None):
    follower = MarketFollower(choice)
    for book, wall in moments:
        follower.take(book, wall)
    return follower


def rivals(follower):
    return [rival.price.model for rival in follower.basis.rivals]


def test_there_is_no_market_before_the_first_book():
    assert MarketFollower().basis == MarketBasis()


def test_a_new_book_is_taken_over():
    assert rivals(followed((BOOK, MORNING), (BOOK[1:], MORNING + 1))) == ["G"]


def test_a_day_that_begins_retires_what_ends_with_it():
    follower = followed((BOOK, MORNING))
    assert rivals(follower) == ["Claude Sonnet 4.5", "G"]
    follower.take(BOOK, MORNING + 86_400)
    assert rivals(follower) == ["G"]


def test_nothing_is_worked_out_anew_within_a_day():
    follower = followed((BOOK, MORNING))
    before = follower.basis
    follower.take(BOOK, MORNING + 3600)
    assert follower.basis is before


def test_changed_settings_hold_from_the_next_moment_on():
    follower = followed((BOOK, MORNING))
    follower.choose(Choice(compare=("G",), token_ratio=1.5))
    follower.take(BOOK, MORNING + 1)
    assert [(one.price.model, one.token_ratio) for one in follower.basis.rivals] == [("G", 1.5)]
