"""Embodied carbon: SCI's example, the shares of an 8-GPU server, and what is not known."""

import pytest

from pentameter.carbon.embodied import Bounds, Embodied, MadeGpu, MadeServer, grams_per_second
from pentameter.carbon.sci import operational_grams

YEAR = 365 * 24 * 3600
TABLE = Embodied(
    {"H100": MadeGpu(Bounds(164, 273, 575.1), "p5"), "orphan": MadeGpu(Bounds(1, 1, 1), "nowhere")},
    {"p5": MadeServer(Bounds(3072, 5699, 12199), 8)},
)


def test_a_thousand_kilograms_over_four_years_are_28_5_grams_an_hour():
    # The example of ISO/IEC 21031: 1000 x 1 / (4 x 365 x 24) = 28.5 g.
    assert grams_per_second(0, 1000, 1, 4 * YEAR) * 3600 == pytest.approx(28.54, abs=0.005)


# Eight H100 at 450 W each and a host of 1.4 kW, PUE 1.15: (3.6 + 1.4) x 1.15 = 5.75 kW. By hand:
# 7012 kg = 8 x 164 (NVIDIA) + 5700 (EcoLogits' host), 10300 kg = Boavizta's p5.48xlarge.
WATTS = 5750


@pytest.mark.parametrize(
    ("kg", "years", "grams_per_hour", "shares"),
    [
        (7012, 6, 133, (45, 6.6, 5.7, 3.8)),
        (7012, 4, 200, (55, 9.6, 8.3, 5.6)),
        (10300, 4, 294, (65, 13.5, 11.7, 8.0)),
        (10300, 3, 392, (71, 17.2, 15.1, 10.4)),
    ],
)
def test_the_embodied_share_is_no_constant_but_follows_the_grid(kg, years, grams_per_hour, shares):
    eight = 8 * grams_per_second(164, kg - 8 * 164, 8, years * YEAR)
    assert eight * 3600 == pytest.approx(grams_per_hour, abs=0.6)
    for grid, share in zip((28, 327, 384, 589), shares, strict=True):
        assert 100 * eight / (eight + operational_grams(WATTS, grid)) == pytest.approx(share, abs=0.5)


def test_a_gpu_carries_its_part_of_the_machine():
    # 273 + 5699 / 8 = 985.375 kg; 164 + 3072 / 8 = 548; 575.1 + 12199 / 8 = 2099.975
    assert TABLE.grams(["H100"]) == Bounds(548_000, pytest.approx(985_375), pytest.approx(2_099_975))


def test_what_accrues_in_a_lifetime_is_all_that_was_emitted():
    grams, pace = TABLE.grams(["H100"] * 8), TABLE.grams_per_second(["H100"] * 8)
    assert grams is not None
    assert pace is not None
    assert pace.central * 4 * YEAR == pytest.approx(grams.central)
    assert grams.central == pytest.approx(8 * 273_000 + 5_699_000)


def test_the_pace_of_the_table_is_that_of_the_formula():
    pace = TABLE.grams_per_second(["H100"])
    assert pace is not None
    assert pace.central == pytest.approx(grams_per_second(273, 5699, 8, 4 * YEAR))
    assert pace.low < pace.central < pace.high


@pytest.mark.parametrize("names", [(), ("unheard of",), ("H100", "unheard of"), ("orphan",)])
def test_what_is_not_known_in_full_is_not_known(names):
    assert TABLE.grams(names) is None
    assert TABLE.grams_per_second(names) is None


def test_own_figures_take_the_place_of_the_sources():
    own = Embodied(TABLE.gpus, TABLE.servers, gpu_kg=100, server_kg=400, gpus_per_server=4, lifetime_years=2)
    assert own.grams(["H100"]) == Bounds(200_000, 200_000, 200_000)
    assert own.grams(["unheard of"]) == Bounds(200_000, 200_000, 200_000)
    pace = own.grams_per_second(["H100"])
    assert pace is not None
    assert pace.central == pytest.approx(200_000 / (2 * YEAR))


def test_an_own_figure_of_the_gpu_alone_leaves_the_machine_to_the_table():
    own = Embodied(TABLE.gpus, TABLE.servers, gpu_kg=100)
    grams = own.grams(["H100"])
    assert grams is not None
    assert grams.central == pytest.approx(100_000 + 5_699_000 / 8)
    assert own.grams(["unheard of"]) is None
