"""Which sample of a snapshot is which figure of the status page."""

import math
import re
from pathlib import Path

import pentameter
from pentameter.catalogue import CATALOGUE
from pentameter.dimensions.attainment import ATTAINMENT
from pentameter.dimensions.computation import MFU
from pentameter.dimensions.economics import COST_PER_HOUR
from pentameter.dimensions.timing import TTFT
from pentameter.status_figures import FIGURES, Place, Series, pick

A = ("a", "m", "0")
PLACE = Place(*A)


def test_rolling_figures_are_of_the_first_window():
    window, figures = pick([MFU(0.3, *A, "1m", "all", "model"), MFU(0.2, *A, "1h", "all", "model")])
    assert window == "1m"
    assert figures == {Series(PLACE, "mfu", "", "model"): 0.3}


def test_the_best_basis_is_taken_wherever_it_stands():
    one, other = TTFT(0.4, *A, "1m", "p95", "histogram"), TTFT(0.5, *A, "1m", "p95", "requests")
    expected = {Series(PLACE, "ttft_p95", "", "requests"): 0.5}
    assert pick([one, other])[1] == pick([other, one])[1] == expected


def test_a_lower_bound_stands_in_for_what_is_not_known_exactly_and_an_upper_one_does_not():
    bounds = [ATTAINMENT(0.99, *A, "1m", "chat", "upper"), ATTAINMENT(0.9, *A, "1m", "chat", "lower")]
    assert pick(bounds)[1] == {Series(PLACE, "attainment", "chat", "lower"): 0.9}
    assert pick(bounds[:1])[1] == {}


def test_other_quantiles_phases_and_components_are_no_figures():
    others = [
        TTFT(0.4, *A, "1m", "p50", "requests"),
        MFU(0.1, *A, "1m", "decode", "model"),
        COST_PER_HOUR(2.0, *A, "gpu"),
    ]
    assert pick(others)[1] == {}


def test_every_engine_and_every_slo_is_a_figure_of_its_own():
    samples = [ATTAINMENT(0.9, "a", "m", engine, "1m", slo, "exact") for engine in "01" for slo in ("x", "y")]
    assert len(pick(samples)[1]) == 4


def test_what_is_not_finite_is_unknown():
    assert pick([COST_PER_HOUR(math.inf, *A, "total")])[1] == {}


def test_without_samples_nothing_is_known():
    assert pick([]) == (None, {})


def test_every_figure_is_a_gauge_of_the_catalogue_with_the_labels_it_asks_for():
    keys = [figure.key for figure in FIGURES]
    assert len(set(keys)) == len(keys)
    for figure in FIGURES:
        assert figure.metric in CATALOGUE
        assert figure.metric.kind == "gauge"
        assert {*figure.fixed, *([figure.by] if figure.by else [])} <= set(figure.metric.labels), figure.key


def test_the_figures_that_the_page_puts_first_exist():
    script = (Path(pentameter.__file__).parent / "web" / "status.js").read_text(encoding="utf-8")
    [first] = re.findall(r"const FIRST = \[(.*?)\]", script)
    named = re.findall(r'"(\w+)"', first)
    assert len(named) == 5
    assert set(named) <= {figure.key for figure in FIGURES}
