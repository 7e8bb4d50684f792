"""Who arrives, when, and with how much."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import pytest

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
