"""A metric is a row; calling it makes a sample."""

import dataclasses
import math

import pytest

from pentameter.metric import Dimension, KindError, LabelCountError, Metric, Unit
from pentameter.readings import Histogram

SPEED = Metric(
    "pentameter_speed_ratio", "gauge", Unit.RATIO, Dimension.TIME, "How fast.", "way / time", ("who", "where")
)
WAIT = Metric(
    "pentameter_wait_seconds", "histogram", Unit.SECONDS, Dimension.TIME, "How long.", "end - begin", ("who",)
)
WAITED = Histogram((0.5, 1.0, math.inf), (2, 3, 7), 21.5)


def test_calling_a_metric_makes_a_sample_with_its_labels():
    sample = SPEED(0.5, "me", "here")
    assert (sample.metric, sample.value, sample.labels) == (SPEED, 0.5, ("me", "here"))


def test_a_value_becomes_a_float():
    assert type(SPEED(1, "me", "here").value) is float


@pytest.mark.parametrize("labels", [(), ("me",), ("me", "here", "now")])
def test_a_wrong_number_of_label_values_is_refused_with_the_labels_named(labels):
    with pytest.raises(LabelCountError, match=r"pentameter_speed_ratio takes the labels \('who', 'where'\)"):
        SPEED(1, *labels)


def test_nan_is_no_value():
    with pytest.raises(ValueError, match="an unknown value is left out"):
        SPEED(math.nan, "me", "here")


def test_a_series_is_known_by_its_name_and_labels_and_not_by_its_value():
    assert SPEED(1, "me", "here").key == SPEED(2, "me", "here").key
    assert SPEED(1, "me", "here").key != SPEED(1, "me", "there").key


def test_the_help_text_ends_with_the_formula():
    assert SPEED.documentation == "How fast. Formula: way / time."


def test_the_help_text_of_a_metric_without_formula_stands_alone():
    assert dataclasses.replace(SPEED, formula="").documentation == "How fast."


def test_neither_a_metric_nor_a_sample_can_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPEED.name = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPEED(1, "me", "here").value = 2.0


def test_a_sample_of_a_histogram_carries_it_and_its_count():
    sample = WAIT.observe(WAITED, "me")
    assert (sample.metric, sample.labels, sample.histogram, sample.value) == (WAIT, ("me",), WAITED, 7.0)
    assert type(sample.value) is float


def test_a_sample_of_a_number_has_no_histogram():
    assert SPEED(1, "me", "here").histogram is None


def test_a_number_is_no_sample_of_a_histogram():
    with pytest.raises(KindError, match="pentameter_wait_seconds is a histogram"):
        WAIT(1.0, "me")


def test_a_histogram_is_no_sample_of_a_gauge():
    with pytest.raises(KindError, match="pentameter_speed_ratio is a gauge"):
        SPEED.observe(WAITED, "me", "here")


def test_a_histogram_with_a_wrong_number_of_label_values_is_refused():
    with pytest.raises(LabelCountError, match="pentameter_wait_seconds takes the labels"):
        WAIT.observe(WAITED, "me", "here")


@pytest.mark.parametrize(
    "histogram",
    [
        pytest.param(Histogram((0.5, 1.0), (2, 3), 1.0), id="no last bucket"),
        pytest.param(Histogram((), (), 0.0), id="no bucket"),
        pytest.param(Histogram((0.5, math.inf), (2, 3, 4), 1.0), id="a count too many"),
    ],
)
def test_a_histogram_that_ends_wrongly_is_refused(histogram):
    with pytest.raises(ValueError, match=r"end with \+Inf"):
        WAIT.observe(histogram, "me")


@pytest.mark.parametrize("total", [math.nan, math.inf])
def test_a_histogram_without_a_sum_is_refused(total):
    with pytest.raises(ValueError, match="is no sum"):
        WAIT.observe(Histogram((math.inf,), (3,), total), "me")
