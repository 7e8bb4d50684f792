"""What the status page is told: figures, and why one is missing."""

import pytest

from pentameter.dimensions.attainment import ATTAINMENT, TARGET, THRESHOLD
from pentameter.dimensions.economics import COST_PER_HOUR
from pentameter.dimensions.energy import POWER
from pentameter.dimensions.goodput import GOODPUT
from pentameter.dimensions.prices import PRICE_UNKNOWN
from pentameter.dimensions.served_model import MODEL_UNKNOWN
from pentameter.dimensions.timing import REQUESTS_PER_SECOND
from pentameter.history import History
from pentameter.snapshot import Snapshot, SourceHealth
from pentameter.status import NO_SLO, past, short, status
from pentameter.status_figures import FIGURES, IDLE, NO_POWER, NO_PRICE

A = ("a", "m", "0")
UP = SourceHealth("vllm", "a", True, "", "", last_success=7.0)
DOWN = SourceHealth("vllm", "a", False, "unreachable", "connection refused", last_success=7.0, failures=3)
NO_NVML = SourceHealth("nvml", "", False, "no_driver", "libnvidia-ml.so.1 is not there", absent=True)


def taken(*samples, sources=(UP,), seconds=0.0):
    return Snapshot(samples, sources, 1700.0 + seconds, 50.0 + seconds)


def told(*samples, sources=(UP,), history=None):
    return status(taken(*samples, sources=sources), history or History(), "1.2.3")


def why(document, figure, slo="", server=0):
    missing = {(one["figure"], one["slo"]): one["why"] for one in document["servers"][server]["missing"]}
    return missing.get((figure, slo))


def test_the_document_names_its_moment_its_window_and_its_figures():
    document = told(REQUESTS_PER_SECOND(2, *A, "5m"))
    assert (document["time"], document["version"], document["window"]) == (1700.0, "1.2.3", "5m")
    assert [one["key"] for one in document["figures"]] == [figure.key for figure in FIGURES]
    [described] = [one for one in document["figures"] if one["key"] == "dollars_per_million"]
    assert described["unit"] == "dollars"
    assert described["dimension"] == "Economics"
    assert described["metric"] == "pentameter_cost_per_million_tokens_dollars"


def test_a_value_names_its_engine_its_slo_and_how_it_is_known():
    document = told(ATTAINMENT(0.9876543, *A, "1m", "chat", "exact"))
    assert document["servers"][0]["values"] == [
        {"figure": "attainment", "engine": "0", "slo": "chat", "how": "exact", "value": 0.98765}
    ]


def test_the_target_and_the_thresholds_of_an_slo_stand_beside_it():
    document = told(TARGET(0.9, *A, "chat"), THRESHOLD(0.5, *A, "chat", "ttft"))
    assert document["servers"][0]["slos"] == [{"slo": "chat", "target": 0.9, "thresholds": {"ttft": 0.5}}]


def test_engines_of_a_server_are_one_group_and_models_are_several():
    document = told(
        *(REQUESTS_PER_SECOND(2, "a", "m", engine, "1m") for engine in "01"),
        REQUESTS_PER_SECOND(2, "a", "n", "0", "1m"),
    )
    assert [(one["model_name"], len(one["values"])) for one in document["servers"]] == [("m", 2), ("n", 1)]


def test_every_figure_is_there_or_missing_with_a_reason():
    [server] = told(REQUESTS_PER_SECOND(2, *A, "1m"))["servers"]
    assert [one["figure"] for one in server["values"]] == ["requests"]
    assert {one["figure"] for one in server["missing"]} == {figure.key for figure in FIGURES} - {"requests"}
    assert all(one["why"] for one in server["missing"])


def test_a_zero_is_a_value_and_not_missing():
    document = told(REQUESTS_PER_SECOND(0, *A, "1m"))
    assert document["servers"][0]["values"][0]["value"] == 0
    assert why(document, "requests") is None


def test_a_server_that_is_down_is_shown_with_the_reason_for_an_hour():
    history = History()
    history.take(taken(REQUESTS_PER_SECOND(2, *A, "1m")))
    document = told(sources=(DOWN,), history=history)
    assert [(one["server"], one["model_name"], one["values"]) for one in document["servers"]] == [("a", "m", [])]
    assert why(document, "ttft_p95") == "vllm a is down: unreachable"


def test_a_server_that_was_never_seen_is_shown_with_the_reason():
    document = told(sources=(DOWN,))
    assert [(one["server"], one["model_name"]) for one in document["servers"]] == [("a", "")]
    assert why(document, "attainment") == "vllm a is down: unreachable"


def test_a_server_that_is_down_says_nothing_about_another():
    document = told(REQUESTS_PER_SECOND(2, "b", "m", "0", "1m"), sources=(DOWN,))
    assert [one["server"] for one in document["servers"]] == ["b", "a"]
    assert why(document, "ttft_p95") == IDLE


@pytest.mark.parametrize(
    ("figure", "sample", "reason"),
    [
        ("mfu", MODEL_UNKNOWN(1, *A, "unsupported"), "the model is not known: unsupported"),
        ("mbu", MODEL_UNKNOWN(1, *A, "unsupported"), "the model is not known: unsupported"),
        ("dollars_per_hour", PRICE_UNKNOWN(1, *A, "ambiguous"), "the price is not known: ambiguous"),
        ("ttft_p95", MODEL_UNKNOWN(1, *A, "unsupported"), IDLE),
        ("dollars_per_hour", REQUESTS_PER_SECOND(1, *A, "1m"), NO_PRICE),
    ],
)
def test_a_reason_that_a_metric_tells_is_passed_on(figure, sample, reason):
    assert why(told(sample), figure) == reason


def test_power_without_a_source_says_which_source_is_not_here():
    some = REQUESTS_PER_SECOND(1, *A, "1m")
    assert why(told(some, sources=(UP, NO_NVML)), "gpu_watts") == "nvml is not here: libnvidia-ml.so.1 is not there"
    assert why(told(some), "gpu_watts") == NO_POWER


def test_power_that_is_known_from_elsewhere_needs_no_nvml():
    document = told(POWER(300, *A, "gpu"), sources=(UP, NO_NVML))
    assert why(document, "gpu_watts") is None
    assert why(document, "joules_per_token") == "no token was produced in the window"


def test_without_an_slo_that_is_the_reason():
    assert why(told(COST_PER_HOUR(2, *A, "total")), "attainment") == NO_SLO


def test_each_slo_has_its_own_reason():
    document = told(TARGET(0.9, *A, "x"), TARGET(0.9, *A, "y"), GOODPUT(3, *A, "1m", "x"))
    assert why(document, "goodput", "x") is None
    assert why(document, "goodput", "y").startswith("no request records")


def test_the_hour_is_told_for_all_or_for_one():
    history = History()
    for number in range(3):
        samples = [REQUESTS_PER_SECOND(number / 3, server, "m", "0", "1m") for server in ("a", "b") if number != 1]
        history.take(taken(*samples, seconds=10 * number))
    document = past(history.hour("b"))
    [series] = document.pop("series")
    assert document == {"time": 1720.0, "step": 10.0, "points": 3, "left_out": 0}
    assert series.pop("values") == [0.0, None, 0.66667]
    assert series == {"server": "b", "model_name": "m", "engine": "0", "figure": "requests", "slo": "", "how": ""}
    assert len(past(history.hour())["series"]) == 2
    assert past(history.hour("b", "other"))["series"] == []


@pytest.mark.parametrize(
    ("value", "expected"), [(17859.934627609673, 17860.0), (1.1254294911702282e-05, 1.1254e-05), (0.0, 0.0)]
)
def test_a_value_has_as_many_digits_as_a_person_reads(value, expected):
    assert short(value) == expected
