"""A metric is a row; calling it makes a sample."""

import dataclasses
import math

import pytest

from pentameter.metric import Dimension, LabelCountError, Metric, Unit

SPEED = Metric(
    "pentameter_speed_ratio", "gauge", Unit.RATIO, Dimension.TIME, "How fast.", "way / time", ("who", "where")
)


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
