"""The meter's carbon: hardware accrues whatever happens, counters keep their series when a live provider fails."""

from dataclasses import replace

import pytest

from builders import H100, POLAND, found, value
from pentameter.carbon.basis import CarbonBasis
from pentameter.carbon.embodied import Bounds, Embodied, MadeGpu, MadeServer
from pentameter.meter import Meter
from pentameter.readings import EngineReading, GpuReading, GpusReading, GridReading, VllmReading
from pentameter.server_plan import ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.windows import Window

# 126.144 kg over four years of 31,536,000 s: a milligram a second.
MAKING = Embodied({H100.gpu: MadeGpu(Bounds(1, 126.144, 200), "s")}, {"s": MadeServer(Bounds(0, 0, 0), 1)})


def meter(grid=POLAND):
    specs = {H100.nvml_names[0]: H100}
    basis = CarbonBasis(embodied=MAKING)
    return Meter([Window("1m", 60.0)], [ServerPlan("a")], find_spec=specs.get, grid=grid, carbon=basis)


def page(time):
    engine = EngineReading("m", "0", {"generation_tokens": 10 * time}, {"running": 1.0}, {})
    return VllmReading("a", time, time, 1.0, (engine,), {})


def board(time):
    return GpusReading(time, time, (GpuReading("GPU-0", 0, H100.nvml_names[0], energy_joules=360.0 * time),))


def live(grams, *, wall=0.0, kind="average"):
    return GridReading("PL", grams, "electricity_maps", "lifecycle", kind, False, 0.0, 3600.0, 0.0, wall)


def down(source):
    return SourceHealth(source, "", up=False, reason="unreachable")


def grams(snapshot, kind):
    return value(snapshot.samples, "carbon_grams_total", kind=kind, region="POL")


def test_hardware_accrues_through_an_outage_of_everything():
    one = meter()
    one.take_vllm(page(0))
    one.take_gpus(board(0), "nvml")
    assert grams(one.measure(0, 0), "embodied") == 0
    assert grams(one.measure(100, 100), "embodied") == pytest.approx(0.1)
    one.take_health(down("nvml"))
    one.take_health(SourceHealth("vllm", "a", up=False, reason="unreachable"))
    assert grams(one.measure(1000, 1000), "embodied") == pytest.approx(1.0)


def test_the_counter_goes_on_in_its_series_at_the_live_intensity_and_back():
    one = meter()
    one.take_vllm(page(0))
    one.take_gpus(board(0), "nvml")
    one.measure(0, 0)
    total = 0.0
    for time, intensity in ((10, POLAND.grams_per_kwh), (20, 612.0), (30, POLAND.grams_per_kwh)):
        if intensity == 612.0:
            one.take_grid(live(612.0))
        else:
            one.take_health(down("grid"))
        one.take_gpus(board(time), "nvml")
        # 3600 J are a thousandth of a kWh.
        total += intensity / 1000
        assert grams(one.measure(time, time), "operational") == pytest.approx(total)


def test_the_users_own_figure_is_not_replaced_by_a_provider():
    one = meter(replace(POLAND, grams_per_kwh=10.0, step="override", quality=5))
    one.take_grid(live(612.0))
    snapshot = one.measure(0, 0)
    assert found(snapshot.samples, "grid_intensity_grams_per_kwh") == [10.0]
    assert value(snapshot.samples, "grid_resolution_info", step="override") == 1


def test_a_marginal_rate_stands_beside_the_average_with_its_age():
    one = meter()
    one.take_grid(live(870.0, wall=3700.0, kind="marginal"))
    snapshot = one.measure(20, 20)
    assert value(snapshot.samples, "grid_intensity_grams_per_kwh", region="POL") == 588.6
    assert value(snapshot.samples, "grid_marginal_intensity_grams_per_kwh", region="PL") == 870
    # Its period ended 100 s before it was asked for, which is 20 s ago.
    assert value(snapshot.samples, "grid_intensity_age_seconds", region="PL") == 120
