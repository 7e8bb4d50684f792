"""Goodput: what is served in time now, and what could be."""

import pytest

from builders import deployment, engine, found, names, served, slo, value, verdicts, world
from pentameter.capacity.estimate import Capacity
from pentameter.dimensions import goodput
from pentameter.windows import Interval
from pentameter.world import CapacityOf

CHAT = slo(ttft=0.5)
FLOW = {"arrived": 50.0, "aborted": 0.0, "ended": 50.0, "rejected": 0.0}


def measured(*records, engines=(), slos=(CHAT,), capacities=(), gpus=None, serving=None, **more):
    here = deployment(*engines, gpu_count=gpus, serving=serving, **more)
    return list(goodput.samples(world(here, served=tuple(records), slos=slos, capacities=tuple(capacities))))


def finished(count, **more):
    return engine({"request_success/stop": float(count)}, **more)


# ------------------------------------------------------------------ served now


@pytest.mark.parametrize(
    ("requests_per_second", "share", "goodput_"),
    [(100, 0.50, 50.0), (60, 0.95, 57.0)],
    ids=["System A of the lecture", "System B of the lecture"],
)
def test_a_slower_system_that_keeps_its_sla_serves_more_that_is_good(requests_per_second, share, goodput_):
    requests = 60 * requests_per_second
    good = round(share * requests)
    seen = served(verdicts(good=good, bad=requests - good), seconds=60.0)
    samples = measured(seen, engines=[finished(requests, seconds=60.0)])
    assert value(samples, "goodput_requests_per_second", window="1m", slo="chat") == goodput_


def test_good_tokens_are_those_of_good_requests_per_second():
    seen = served(verdicts(good=5, bad=5, tokens=1200), seconds=10.0)
    assert value(measured(seen), "goodput_tokens_per_second", slo="chat") == 120


def test_an_idle_server_serves_a_goodput_of_0():
    samples = measured(served(verdicts()), engines=[finished(0)])
    assert value(samples, "goodput_requests_per_second") == 0


def test_only_what_is_bad_makes_a_goodput_of_0():
    assert value(measured(served(verdicts(bad=10))), "goodput_requests_per_second") == 0


@pytest.mark.parametrize(
    "seen",
    [verdicts(good=50, ended=100.0), verdicts(good=99, unknown=1, ended=100.0), verdicts(ended=100.0)],
    ids=["half of the records are missing", "one verdict is open", "the first records are on their way"],
)
def test_what_records_do_not_decide_is_left_out(seen):
    assert names(measured(served(seen), serving=1)) == set()


def test_each_window_has_its_own_goodput():
    seen = served(verdicts(good=60), seconds=60.0)
    seen.rolled.windows["5m"] = Interval(300.0, verdicts(good=60))
    here = deployment()
    samples = list(goodput.samples(world(here, served=(seen,), slos=(CHAT,), windows=("1m", "5m"))))
    assert value(samples, "goodput_requests_per_second", window="1m") == 1.0
    assert value(samples, "goodput_requests_per_second", window="5m") == 0.2


# ------------------------------------------------------------------ per GPU


def test_goodput_per_gpu_is_of_the_whole_server_over_the_gpus_that_serve():
    records = [served(verdicts(good=30, tokens=900)), served(verdicts(good=50, tokens=700), name="1")]
    samples = measured(*records, engines=[finished(30), finished(50, name="1")], serving=4, name="")
    assert value(samples, "goodput_per_gpu_requests_per_second", engine="") == 2.0
    assert value(samples, "goodput_per_gpu_tokens_per_second", engine="") == 40.0
    assert len(found(samples, "goodput_requests_per_second")) == 2


def test_without_a_number_of_gpus_there_is_no_share_of_one():
    assert found(measured(served(verdicts(good=30))), "goodput_per_gpu_requests_per_second") == []


@pytest.mark.parametrize(
    "other",
    [
        served(verdicts(good=1, ended=50.0), name="1"),
        served(verdicts(good=49, unknown=1, ended=50.0), name="1"),
        None,
    ],
    ids=["uncovered", "undecided", "without records"],
)
def test_a_sum_that_lacks_an_engine_is_not_divided_by_all_gpus(other):
    records = [served(verdicts(good=30)), *([other] if other else [])]
    samples = measured(*records, engines=[finished(30), finished(50, name="1")], serving=4, name="")
    assert value(samples, "goodput_requests_per_second", engine="0") == 3.0
    assert found(samples, "goodput_per_gpu_requests_per_second") == []
    assert found(samples, "goodput_per_gpu_tokens_per_second") == []


def test_records_of_a_server_as_a_whole_are_enough_for_the_share_of_a_gpu():
    engines = [finished(30), finished(50, name="1")]
    samples = measured(served(verdicts(good=80), name=""), engines=engines, serving=4, name="")
    assert value(samples, "goodput_per_gpu_requests_per_second") == 2.0


def test_each_slo_has_its_own_share_of_a_gpu():
    seen = served({**verdicts(good=40), **verdicts("batch", good=20, bad=20)})
    samples = measured(seen, slos=(CHAT, slo("batch", e2e=9.0)), serving=2)
    assert value(samples, "goodput_per_gpu_requests_per_second", slo="chat") == 2.0
    assert value(samples, "goodput_per_gpu_requests_per_second", slo="batch") == 1.0


# ------------------------------------------------------------------ capacity


def capacity(state="extrapolated", lower=8.0, estimate=10.0, upper=13.0, **more):
    fields = {"binding": "ttft", "windows": 40, "highest_rate": 9.5, **more}
    return CapacityOf("a", "m", "0", CHAT, Capacity(state, lower, estimate, upper, **fields))


def test_the_capacity_is_told_with_its_bounds_and_what_it_rests_on():
    samples = measured(capacities=[capacity()])
    told = {
        bound: value(samples, "goodput_capacity_requests_per_second", bound=bound)
        for bound in ("lower", "estimate", "upper")
    }
    assert told == {"lower": 8, "estimate": 10, "upper": 13}
    assert value(samples, "goodput_capacity_constraint_info", constraint="ttft") == 1
    assert value(samples, "goodput_capacity_highest_rate_requests_per_second") == 9.5
    assert value(samples, "goodput_capacity_windows") == 40


@pytest.mark.parametrize("state", ["unknown", "lower_bound", "extrapolated", "observed"])
def test_exactly_one_state_is_1_and_the_others_are_0(state):
    samples = measured(capacities=[capacity(state)])
    values = {s.labels[-1]: s.value for s in samples if s.metric is goodput.CAPACITY_STATE}
    assert values == {**dict.fromkeys(("unknown", "lower_bound", "extrapolated", "observed"), 0.0), state: 1.0}


def test_an_unknown_capacity_has_a_state_and_no_figure():
    one = capacity("unknown", None, None, None, binding="", windows=3, highest_rate=None)
    assert names(measured(capacities=[one], engines=[engine({}, flow=FLOW, stalled=0.0)], serving=2)) == {
        "goodput_capacity_state",
        "goodput_capacity_windows",
    }


def test_the_capacity_of_a_gpu_is_the_servers_over_its_gpus():
    samples = measured(capacities=[capacity()], serving=4)
    assert value(samples, "goodput_capacity_per_gpu_requests_per_second", bound="estimate") == 2.5
    assert found(measured(capacities=[capacity()]), "goodput_capacity_per_gpu_requests_per_second") == []


# ------------------------------------------------------------------ load


def test_load_is_the_offered_rate_over_the_capacity():
    # 50 in 10 seconds: 5 per second, of an estimated 10, and of 8 at least.
    samples = measured(capacities=[capacity()], engines=[engine({}, flow=FLOW, stalled=0.0)])
    assert value(samples, "goodput_load_ratio", window="1m", bound="estimate") == 0.5
    assert value(samples, "goodput_load_ratio", window="1m", bound="upper") == 0.625


def test_admission_control_does_not_hide_the_load():
    samples = measured(capacities=[capacity()], engines=[engine({}, flow={**FLOW, "rejected": 100.0}, stalled=0.0)])
    assert value(samples, "goodput_load_ratio", bound="estimate") == 1.5


def test_with_a_lower_bound_alone_the_load_is_at_most_so_high():
    one = capacity("lower_bound", 8.0, None, None)
    samples = measured(capacities=[one], engines=[engine({}, flow=FLOW, stalled=0.0)])
    assert value(samples, "goodput_load_ratio") == 0.625
    assert found(samples, "goodput_load_ratio", bound="estimate") == []


def test_the_load_of_a_model_is_that_of_all_its_engines_on_its_server():
    engines = [
        engine({}, flow=FLOW, stalled=0.0),
        engine({}, flow=FLOW, stalled=0.0, name="1"),
        engine({}, flow=FLOW, stalled=0.0, model="x"),
        engine({}, flow=FLOW, stalled=0.0, server="b"),
    ]
    assert value(measured(capacities=[capacity()], engines=engines), "goodput_load_ratio", bound="estimate") == 1.0


@pytest.mark.parametrize(
    "other",
    [engine({}, flow=FLOW, stalled=None, name="1"), engine({}, stalled=0.0, name="1")],
    ids=["its page lacks what arrivals are inferred from", "it has only just appeared"],
)
def test_a_load_that_lacks_an_engine_is_left_out(other):
    engines = [engine({}, flow=FLOW, stalled=0.0), other]
    assert found(measured(capacities=[capacity()], engines=engines), "goodput_load_ratio") == []


def test_without_a_page_there_is_no_load():
    assert found(measured(capacities=[capacity()]), "goodput_load_ratio") == []
