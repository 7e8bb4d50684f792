"""The cost of a request, and of one that was served in time."""

import pytest

from builders import deployment, engine, found, names, served, slo, value, verdicts, world
from pentameter.dimensions import cost_per_request

CHAT = slo(ttft=0.5)


def finished(count, **more):
    return engine({"request_success/stop": float(count)}, **more)


def measured(*records, engines, slos=(CHAT,), price=3.6, name="0"):
    """Return what ten seconds at a thousandth of a dollar per second cost."""
    here = deployment(*engines, gpu_count=1, price=price, name=name)
    return list(cost_per_request.samples(world(here, served=records, slos=slos)))


def test_what_ten_seconds_cost_is_shared_by_their_requests():
    # 0.01 dollars; 50 requests, of which 40 were good and brought 8000 tokens.
    seen = served(verdicts(good=40, bad=10, tokens=8000, ended=50.0))
    samples = measured(seen, engines=[finished(50)])
    assert value(samples, "cost_per_request_dollars", window="1m") == pytest.approx(0.0002)
    assert value(samples, "cost_per_good_request_dollars", slo="chat") == pytest.approx(0.00025)
    assert value(samples, "cost_per_million_good_tokens_dollars", slo="chat") == pytest.approx(1.25)


def test_the_lectures_slower_system_that_keeps_its_sla_has_the_cheaper_good_requests():
    """System A: 100 requests a second, half of them good; system B: 60, of which 95 %."""
    costs = []
    for requests, good in ((1000, 500), (600, 570)):
        seen = served(verdicts(good=good, bad=requests - good))
        costs.append(value(measured(seen, engines=[finished(requests)]), "cost_per_good_request_dollars"))
    assert costs == pytest.approx([0.01 / 500, 0.01 / 570])


def test_where_none_is_good_there_is_no_cost_of_a_good_one():
    samples = measured(served(verdicts(bad=50)), engines=[finished(50)])
    assert names(samples) == {"cost_per_request_dollars"}


def test_without_requests_nothing_has_a_cost():
    assert measured(served(verdicts()), engines=[finished(0)]) == []


def test_without_a_price_nothing_has_a_cost():
    assert measured(served(verdicts(good=9)), engines=[finished(9)], price=None) == []


def test_records_of_half_of_the_requests_would_make_the_good_ones_look_dear():
    samples = measured(served(verdicts(good=25, ended=50.0)), engines=[finished(50)])
    assert names(samples) == {"cost_per_request_dollars"}


def test_good_requests_of_all_engines_share_the_servers_cost():
    records = [served(verdicts(good=30)), served(verdicts(good=20), name="1")]
    samples = measured(*records, engines=[finished(30), finished(20, name="1")], name="")
    assert value(samples, "cost_per_good_request_dollars", engine="") == pytest.approx(0.0002)


def test_an_engine_without_records_leaves_it_open():
    engines = [finished(30), finished(20, name="1")]
    samples = measured(served(verdicts(good=30)), engines=engines, name="")
    assert found(samples, "cost_per_good_request_dollars") == []


def test_an_slo_of_one_model_does_not_bear_the_cost_of_another_one():
    """Two models on one server: what both cost is not what the good requests of one cost."""
    engines = [finished(30), finished(20, model="other")]
    records = [served(verdicts(good=30)), served(verdicts(good=20), model="other")]
    only_m = slo(ttft=0.5, model="m")
    samples = measured(*records, engines=engines, slos=(only_m,), name="")
    assert found(samples, "cost_per_good_request_dollars") == []
    samples = measured(*records, engines=engines, slos=(slo(ttft=0.5, model="*"),), name="")
    assert value(samples, "cost_per_good_request_dollars") == pytest.approx(0.0002)
