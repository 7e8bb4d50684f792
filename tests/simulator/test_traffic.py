"""Who arrives, when, and with how much."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest

from pentameter.simulator.demand import Clients, Patience
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.traffic import Arrivals


@pytest.fixture(scope="module")
def day():
    arrivals = Arrivals(DEFAULT, seed=1, start=0.0)
    requests = []
    while (request := arrivals.next_request()).arrival < 600.0:
        requests.append(request)
    return requests


def test_arrivals_come_in_order_of_time(day):
    assert all(earlier.arrival <= later.arrival for earlier, later in pairwise(day))


def test_as_many_arrive_in_a_day_as_the_rate_says(day):
    # The integral of the rate is 5552 requests; the tolerance is four standard deviations.
    step = 0.1
    expected = sum(DEFAULT.traffic.rate(i * step) * step for i in range(6000))
    assert expected == pytest.approx(5552, abs=1)
    assert len(day) == pytest.approx(expected, abs=4 * expected**0.5)


def test_the_overload_brings_more_than_a_thousand_requests_in_thirty_seconds(day):
    count = sum(75.0 <= request.arrival < 105.0 for request in day)
    assert count == pytest.approx(45 * 30, abs=4 * (45 * 30) ** 0.5)


def test_prompts_and_outputs_have_the_medians_of_the_preset(day):
    assert median(request.prompt_tokens for request in day) == pytest.approx(500, rel=0.1)
    assert median(request.output_tokens for request in day) == pytest.approx(200, rel=0.1)


def test_every_request_fits_the_model_and_its_own_limit(day):
    assert all(r.prompt_tokens + r.max_tokens <= DEFAULT.model.max_model_len for r in day)
    assert all(1 <= r.output_tokens <= r.max_tokens for r in day)
    assert all(r.prompt_tokens > r.prefix_tokens for r in day)


def test_a_request_that_reaches_its_limit_ends_by_length_and_any_other_by_stop(day):
    reasons = {r.finished_reason for r in day}
    assert reasons == {"length", "stop"}
    assert all((r.finished_reason == "length") == (r.output_tokens == r.max_tokens) for r in day)


def test_about_two_thirds_begin_with_a_shared_system_prompt(day):
    assert sum(r.prefix_tokens > 0 for r in day) / len(day) == pytest.approx(0.65, abs=0.03)


def test_the_same_seed_draws_the_same_requests_and_another_seed_draws_others():
    def first(seed):
        request = Arrivals(DEFAULT, seed, start=0.0).next_request()
        return request.arrival, request.prompt_tokens, request.output_tokens

    assert first(3) == first(3)
    assert first(3) != first(4)


CLIENTS = Clients(impatient=0.3, patience=Patience(median_seconds=8.0, sigma=0.5), leaving=0.2, one_token=0.1)


def day_of(clients, seed=1):
    preset = replace(DEFAULT, traffic=replace(DEFAULT.traffic, clients=clients))
    arrivals = Arrivals(preset, seed, start=0.0)
    return [arrivals.next_request() for _ in range(4000)]


@pytest.fixture(scope="module")
def whimsical():
    return day_of(CLIENTS)


def test_as_many_clients_are_impatient_leave_or_ask_for_one_token_as_configured(whimsical):
    # four standard deviations of a share of 4000
    for share, wanted in (
        (sum(r.patience < math.inf for r in whimsical), 0.3),
        (sum(r.leaves_early for r in whimsical if r.output_tokens > 1) / 0.9, 0.2),
        (sum(r.max_tokens == 1 for r in whimsical), 0.1),
    ):
        assert share / 4000 == pytest.approx(wanted, abs=4 * (wanted * (1 - wanted) / 4000) ** 0.5)


def test_patience_has_the_median_of_the_preset(whimsical):
    assert median(r.patience for r in whimsical if r.patience < math.inf) == pytest.approx(8.0, rel=0.1)


def test_who_leaves_has_had_a_token_and_misses_one_and_may_leave_anywhere(whimsical):
    leavers = [r for r in whimsical if r.leaves_early]
    assert all(1 <= r.stays_for < r.output_tokens for r in leavers)
    assert sum(r.stays_for / r.output_tokens for r in leavers) / len(leavers) == pytest.approx(0.5, abs=0.05)


def test_who_asks_for_one_token_gets_it_and_ends_by_length(whimsical):
    short = [r for r in whimsical if r.max_tokens == 1]
    assert all((r.output_tokens, r.stays_for, r.finished_reason) == (1, 1, "length") for r in short)


def test_without_such_clients_everyone_stays_to_the_end():
    assert all(r.patience == math.inf and not r.leaves_early and r.max_tokens > 1 for r in day_of(Clients()))


def test_clients_do_not_change_who_arrives_with_what(whimsical):
    plain = day_of(Clients())
    assert [(r.arrival, r.prompt_tokens, r.prefix) for r in plain] == [
        (r.arrival, r.prompt_tokens, r.prefix) for r in whimsical
    ]
    assert all(a.output_tokens == b.output_tokens for a, b in zip(plain, whimsical, strict=True) if b.max_tokens > 1)
