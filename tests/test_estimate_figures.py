"""Every field of an estimate has one figure with a formula, and no figure is without a field."""

from dataclasses import fields

import pytest

from pentameter.estimate import Computation, Memory, Quantization, Request
from pentameter.estimate_figures import SECTIONS, formulas
from pentameter.estimate_fit import Fit
from pentameter.estimate_phases import Phase

RECORDS = {
    "computation": Computation,
    "memory": Memory,
    "fit": Fit,
    "prefill": Phase,
    "decode": Phase,
    "request": Request,
    "quantization": Quantization,
}


@pytest.mark.parametrize("section", RECORDS)
def test_figures_are_the_fields_in_their_order(section):
    assert [figure.key for figure in SECTIONS[section]] == [field.name for field in fields(RECORDS[section])]


def test_no_section_is_forgotten_and_each_figure_has_its_formula():
    assert SECTIONS.keys() == RECORDS.keys()
    assert len(formulas()) == sum(map(len, SECTIONS.values()))
    assert all(formulas().values())
    assert formulas()["decode.floor_seconds"] == "max(compute, traffic)"
