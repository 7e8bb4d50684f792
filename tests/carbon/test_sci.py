"""Grams for a unit of work."""

import pytest

from pentameter.carbon.sci import TOKENS_PER_PAGE, operational_grams, sci


def test_a_kilowatt_hour_emits_the_grids_intensity():
    assert operational_grams(3_600_000, 588.6) == pytest.approx(588.6)


def test_a_million_of_the_lectures_tokens_emits_6_5_kg_in_poland_and_21_times_less_in_iceland():
    # 40 J x 1,000,000 = 11.11 kWh; x 588.6 g/kWh = 6540 g, x 27.82 g/kWh = 309.1 g.
    poland, iceland = operational_grams(40e6, 588.6), operational_grams(40e6, 27.82)
    assert poland == pytest.approx(6540)
    assert iceland == pytest.approx(309.1, abs=0.05)
    assert poland / iceland == pytest.approx(21.2, abs=0.05)


def test_the_sci_adds_what_energy_and_hardware_emitted_and_divides_by_the_work():
    # 0.02 kWh x 375 g/kWh = 7.5 g, as much again of hardware, for one page: Ren et al.'s 15 g.
    assert sci(0.02 * 3_600_000, 375, 7.5, 1) == pytest.approx(15)
    assert sci(0.02 * 3_600_000, 375, 7.5, 500) == pytest.approx(0.03)


def test_without_work_there_is_no_sci():
    assert sci(1.0, 400, 1.0, 0) is None


def test_a_page_of_500_words_has_two_thirds_of_a_thousand_tokens():
    assert pytest.approx(666.7, abs=0.05) == TOKENS_PER_PAGE
