"""Figures in the units of people, and the whole table of the lecture's example."""

import pytest

from estimate_cases import case
from pentameter.estimate import estimate
from pentameter.estimate_figures import SECTIONS, Figure, Kind
from pentameter.estimate_table import table, written


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Kind.NUMBER, 6_738_415_616, "6.738 G"),
        (Kind.NUMBER, 950, "950.0"),
        (Kind.COUNT, 125_027, "125,027"),
        (Kind.FLOP, 17.596e12, "17.60 TFLOP"),
        (Kind.FLOP, 2.5e15, "2.500 PFLOP"),
        (Kind.BYTES, 8_589_934_592.0, "8.590 GB (8.000 GiB)"),
        (Kind.BYTES, -20e9, "-20.00 GB (-18.63 GiB)"),
        (Kind.BYTES, 524_288.0, "524.3 kB"),
        (Kind.BYTES, 0.0, "0 B"),
        (Kind.BITS, 4.15625, "4.156"),
        (Kind.SECONDS, 0.0070078, "7.008 ms"),
        (Kind.SECONDS, 9.9, "9.900 s"),
        (Kind.SECONDS, 2e-8, "2e-05 ms"),
        (Kind.RATE, 23_599.4, "23,599 /s"),
        (Kind.INTENSITY, 153.016, "153.0 FLOP/B"),
        (Kind.RATIO, 0.5, "50.0%"),
        (Kind.JOULES, 40.0, "40.00 J"),
        (Kind.KWH, 40e6, "11.11 kWh"),
        (Kind.GRAMS, 57.1, "57.10 g"),
        (Kind.DOLLARS, 0.9285, "$0.9285"),
        (Kind.WORD, True, "yes"),
        (Kind.WORD, False, "no"),
        (Kind.WORD, "memory", "memory"),
        (Kind.COUNT, None, "nobody knows"),
    ],
)
def test_a_figure_is_written_in_its_unit(kind, value, text):
    assert written(Figure("key", "label", kind, "formula", "nobody knows"), value) == text


def shown(explain=False, notes=(), **changes):
    given = case(batch=8, **changes)
    return table(given, estimate(given), ["the head"], notes, explain=explain)


def lines_of(text, label):
    return [line.removeprefix(f"  {label}").strip() for line in text.splitlines() if line.startswith(f"  {label}  ")]


def test_the_lectures_figures_can_be_read_off():
    text = shown(watts=400)
    assert text.startswith("the head\n")
    assert lines_of(text, "weights") == ["13.48 GB (12.55 GiB)"] * 2  # of the model and of its one GPU
    assert lines_of(text, "KV cache of the batch") == ["8.590 GB (8.000 GiB)"]
    assert lines_of(text, "lecture: slide's, per token") == ["8.592 GFLOP"]
    assert lines_of(text, "lecture: 2 N, per token") == ["13.48 GFLOP"]
    (bound,) = lines_of(text, "bound by")
    assert bound.split() == ["compute", "memory"]


def test_what_is_unknown_says_what_to_give():
    text = shown()
    assert lines_of(text, "cost per million tokens") == ["unknown: give --gpu-dollars-per-hour"]
    assert lines_of(text, "energy per token") == ["unknown: give --watts"]
    assert lines_of(text, "CO2e") == ["unknown: give --grid-region or --grams-per-kwh"]
    assert "None" not in text


def test_floors_are_called_so_unless_a_share_of_the_peaks_is_given():
    assert "Time floors by the roofline" in shown()
    assert lines_of(shown(), "time at the given MFU, MBU") == []
    text = shown(mbu=0.5)
    assert "Time at the given shares of the peaks" in text
    assert len(lines_of(text, "time at the given MFU, MBU")) == 1


def test_every_formula_is_printed_where_it_is_asked_for():
    text = shown(explain=True, mbu=0.5)
    for figures in SECTIONS.values():
        for figure in figures:
            assert f"= {figure.formula}\n" in text
    assert "      = " not in shown()


def test_notes_come_last():
    assert shown(notes=["Mind the gap."]).endswith("\nNote\n  Mind the gap.\n")
    assert "Note" not in shown()
