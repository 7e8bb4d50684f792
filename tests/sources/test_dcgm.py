"""The dcgm-exporter source: pages written by hand after the exporter's own template, over a real socket."""

from __future__ import annotations

import pytest

from fakes.http_server import ScriptedServer, page
from pentameter.readings import GpuReading
from pentameter.sources import SourceError
from pentameter.sources import dcgm as dcgm_module
from pentameter.sources.dcgm import DcgmSource

H100 = "GPU-11111111-aaaa-4bbb-8ccc-000000000000"
SECOND = "GPU-22222222-aaaa-4bbb-8ccc-000000000000"
A100 = "GPU-33333333-aaaa-4bbb-8ccc-000000000000"


def row(field: str, value: object, gpu: int = 0, uuid: str = H100, model: str = "NVIDIA H100 80GB HBM3", **more) -> str:
    labels = {
        "gpu": gpu,
        "UUID": uuid,
        "pci_bus_id": "00000000:1A:00.0",
        "device": f"nvidia{gpu}",
        "modelName": model,
        **more,
    }
    written = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{field}{{{written}}} {value}\n"


def family(field: str, rows: str, kind: str = "gauge") -> str:
    return f"# HELP {field} As the exporter describes it.\n# TYPE {field} {kind}\n{rows}"


def h100_page(energy: object = 126272101025, dram: object = "0.412000", more_rows: str = "", **labels) -> str:
    about = {"Hostname": "node-1", "DCGM_FI_DRIVER_VERSION": "580.95.05", **labels}
    return "".join(
        (
            family("DCGM_FI_DEV_SM_CLOCK", row("DCGM_FI_DEV_SM_CLOCK", 1980, **about)),
            family("DCGM_FI_DEV_GPU_TEMP", row("DCGM_FI_DEV_GPU_TEMP", 47, **about)),
            family("DCGM_FI_DEV_POWER_USAGE", row("DCGM_FI_DEV_POWER_USAGE", "612.384000", **about)),
            family(
                "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
                row("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", energy, **about),
                "counter",
            ),
            family("DCGM_FI_DEV_GPU_UTIL", row("DCGM_FI_DEV_GPU_UTIL", 98, **about)),
            family("DCGM_FI_DEV_MEM_COPY_UTIL", row("DCGM_FI_DEV_MEM_COPY_UTIL", 25, **about)),
            family("DCGM_FI_DEV_FB_FREE", row("DCGM_FI_DEV_FB_FREE", 5559, **about)),
            family("DCGM_FI_DEV_FB_USED", row("DCGM_FI_DEV_FB_USED", 75400, **about)),
            family("DCGM_FI_DEV_FB_RESERVED", row("DCGM_FI_DEV_FB_RESERVED", 600, **about)),
            family("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", row("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "0.187500", **about)),
            family("DCGM_FI_PROF_DRAM_ACTIVE", row("DCGM_FI_PROF_DRAM_ACTIVE", dram, **about)),
            more_rows,
        )
    )


def split_a100(energy: int = 900_000_000) -> str:
    """Two instances of one board: the exporter gives each the board's energy and power."""
    instances = [{"GPU_I_PROFILE": "3g.40gb", "GPU_I_ID": str(number), "Hostname": "node-1"} for number in (1, 2)]
    board = {"gpu": 2, "uuid": A100, "model": "NVIDIA A100-SXM4-80GB"}
    rows = ""
    for field, value in (
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", energy),
        ("DCGM_FI_DEV_POWER_USAGE", "250.5"),
        ("DCGM_FI_DEV_FB_USED", 20000),
        ("DCGM_FI_PROF_DRAM_ACTIVE", "0.25"),
    ):
        kind = "counter" if "ENERGY" in field else "gauge"
        rows += family(field, "".join(row(field, value, **board, **instance) for instance in instances), kind)
    return rows


@pytest.fixture
def served(monkeypatch):
    """A server of one page, and a clock that stands still until the test turns it."""

    class Served:
        now = 1000.0

        def show(self, text: str | bytes, content_type: str = "text/plain; version=0.0.4; charset=utf-8") -> None:
            server.answers["/metrics"] = page(text, content_type)

        def source(self, **options) -> DcgmSource:
            source = DcgmSource(server.url, **options)
            fetch = source._client.get

            def get(path):
                answer = fetch(path)
                return type(answer)(answer.body, answer.content_type, self.now, self.now + 1e9)

            source._client.get = get
            opened.append(source)
            return source

    opened: list[DcgmSource] = []
    with ScriptedServer({}) as server:
        served = Served()
        served.url = server.url
        served.show(h100_page())
        yield served
        for source in opened:
            source.close()


def failure_of(source: DcgmSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.read()
    return caught.value


def test_it_belongs_to_no_server(served):
    source = served.source()
    assert (source.name, source.server) == ("dcgm", "")


def test_a_page_is_read_in_base_units(served):
    reading = served.source().read()
    assert (reading.monotonic, reading.wall) == (1000.0, 1e9 + 1000)
    assert reading.driver_version == "580.95.05"
    assert reading.field_errors == {}
    assert reading.gpus == (
        GpuReading(
            uuid=H100,
            index=0,
            name="NVIDIA H100 80GB HBM3",
            energy_joules=pytest.approx(126_272_101.025),
            power_watts=612.384,
            memory_total_bytes=81_559.0 * 1_048_576,
            memory_used_bytes=75_400.0 * 1_048_576,
            memory_reserved_bytes=600.0 * 1_048_576,
            utilization_ratio=0.98,
            memory_utilization_ratio=0.25,
            temperature_celsius=47.0,
            profiling_source="dcgm",
        ),
    )


@pytest.mark.parametrize("path", ["", "/", "/metrics", "/metrics/"])
def test_the_address_may_be_that_of_the_page_or_of_the_exporter(served, path):
    source = DcgmSource(served.url + path)
    assert len(source.read().gpus) == 1
    source.close()


# ---- what was profiled, and when ----


def test_the_first_page_has_no_ratios_because_nobody_knows_what_time_they_are_of(served):
    gpu = served.source().read().gpus[0]
    assert (gpu.dram_active_ratio, gpu.tensor_active_ratio, gpu.profiled_seconds, gpu.profiling_source) == (
        None,
        None,
        None,
        "dcgm",
    )


def test_a_new_page_has_ratios_of_the_time_since_the_one_before(served):
    source = served.source()
    source.read()
    served.now += 30
    served.show(h100_page(energy=126290474525, dram="0.500000"))
    reading = source.read()
    (gpu,) = reading.gpus
    assert reading.monotonic == 1030.0
    assert (gpu.dram_active_ratio, gpu.tensor_active_ratio) == (0.5, 0.1875)
    assert (gpu.profiled_seconds, gpu.profiling_source) == (30.0, "dcgm")
    assert gpu.energy_joules == pytest.approx(126_290_474.525)


def test_a_page_that_has_not_changed_is_the_reading_of_then_and_its_ratios_are_given_once(served):
    source = served.source()
    source.read()
    served.now += 30
    served.show(h100_page(energy=126290474525))
    new = source.read()
    for _ in range(3):
        served.now += 5
        again = source.read()
        assert (again.monotonic, again.wall) == (new.monotonic, new.wall)
        assert again.gpus[0].energy_joules == new.gpus[0].energy_joules
        assert (again.gpus[0].dram_active_ratio, again.gpus[0].profiled_seconds) == (None, None)
        assert again.gpus[0].profiling_source == "dcgm"
    served.now += 15
    served.show(h100_page(energy=126310000000))
    assert source.read().gpus[0].profiled_seconds == 30.0


def test_an_exporter_that_does_not_profile_profiles_no_time(served):
    source = served.source()
    for step in range(2):
        served.show(family("DCGM_FI_DEV_POWER_USAGE", row("DCGM_FI_DEV_POWER_USAGE", 100 + step)))
        gpu = source.read().gpus[0]
        served.now += 30
    assert (gpu.power_watts, gpu.profiled_seconds, gpu.profiling_source) == (101.0, None, "")


def test_after_an_outage_the_next_page_is_a_first_one(served):
    source = served.source()
    source.read()
    served.show("down", "text/html")
    failure_of(source)
    served.now += 60
    served.show(h100_page(energy=126290474525))
    gpu = source.read().gpus[0]
    assert (gpu.dram_active_ratio, gpu.profiled_seconds) == (None, None)
    assert gpu.energy_joules == pytest.approx(126_290_474.525)


def test_a_page_that_stands_still_for_minutes_is_an_error_until_it_moves(served):
    source = served.source()
    source.read()
    served.now += dcgm_module.STALE_SECONDS
    assert source.read().monotonic == 1000.0
    served.now += 1
    assert failure_of(source).reason == "stale"
    assert failure_of(source).reason == "stale"
    served.show(h100_page(energy=126290474525))
    assert source.read().monotonic == 1301.0


# ---- which GPUs ----


def two_gpus() -> str:
    text = ""
    for field, kind in (("DCGM_FI_DEV_POWER_USAGE", "gauge"), ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter")):
        rows = row(field, 100000, 1, SECOND, pod="other", namespace="ml", container="x")
        rows += row(field, 200000, 0, H100, pod="vllm-0", namespace="serving", container="vllm")
        text += family(field, rows, kind)
    return text


def test_all_gpus_of_the_page_are_read_in_the_order_of_their_index(served):
    served.show(two_gpus())
    gpus = served.source().read().gpus
    assert [(gpu.index, gpu.uuid, gpu.energy_joules) for gpu in gpus] == [(0, H100, 200.0), (1, SECOND, 100.0)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"uuids": (SECOND,)}, [SECOND]),
        ({"uuids": (SECOND, H100)}, [H100, SECOND]),
        ({"pod": "vllm-0"}, [H100]),
        ({"namespace": "ml"}, [SECOND]),
        ({"pod": "other", "namespace": "ml"}, [SECOND]),
    ],
)
def test_only_our_gpus_are_read(served, options, expected):
    served.show(two_gpus())
    assert [gpu.uuid for gpu in served.source(**options).read().gpus] == expected


@pytest.mark.parametrize(
    "options", [{"uuids": ("GPU-elsewhere",)}, {"pod": "vllm-9"}, {"pod": "vllm-0", "namespace": "ml"}]
)
def test_it_is_an_error_if_no_gpu_of_the_page_is_ours(served, options):
    served.show(two_gpus())
    assert failure_of(served.source(**options)).reason == "no_device"


def test_a_wanted_gpu_that_is_not_on_the_page_is_noted(served):
    reading = served.source(uuids=(H100, "GPU-elsewhere")).read()
    assert [gpu.uuid for gpu in reading.gpus] == [H100]
    assert reading.field_errors == {"GPU-elsewhere/handle": "not_found"}


def test_labels_of_the_old_kind_are_read_too(served):
    old = 'DCGM_FI_DEV_POWER_USAGE{gpu="3", uuid="GPU-old", pod_name="vllm-0", pod_namespace="serving"} 55.5\n'
    served.show(family("DCGM_FI_DEV_POWER_USAGE", old))
    gpu = served.source(pod="vllm-0", namespace="serving").read().gpus[0]
    assert (gpu.index, gpu.uuid, gpu.name, gpu.power_watts) == (3, "GPU-old", "", 55.5)


def test_a_gpu_that_pods_share_is_one_gpu(served):
    field = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
    rows = row(field, 5000, pod="a", namespace="ml") + row(field, 5000, pod="b", namespace="ml")
    served.show(family(field, rows, "counter"))
    assert [(gpu.uuid, gpu.energy_joules) for gpu in served.source().read().gpus] == [(H100, 5.0)]


def test_a_row_that_knows_nothing_does_not_hide_one_that_does(served):
    field = "DCGM_FI_DEV_POWER_USAGE"
    served.show(family(field, row(field, "9223372036854775794", pod="a") + row(field, "70.5", pod="b")))
    reading = served.source().read()
    assert (reading.gpus[0].power_watts, reading.field_errors) == (70.5, {})


# ---- MIG ----


def test_the_energy_of_a_split_board_is_neither_multiplied_nor_given_to_an_instance(served):
    served.show(h100_page(more_rows=split_a100()))
    reading = served.source().read()
    whole, split = reading.gpus
    assert (whole.uuid, whole.mig_enabled) == (H100, None)
    assert split == GpuReading(uuid=A100, index=2, name="NVIDIA A100-SXM4-80GB", mig_enabled=True)
    assert reading.field_errors == {
        f"{A100}/energy_joules": "mig_enabled",
        f"{A100}/dram_active_ratio": "mig_enabled",
        f"{A100}/tensor_active_ratio": "mig_enabled",
    }


def test_a_row_of_the_whole_board_beside_its_instances_counts_once(served):
    field = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
    active = "DCGM_FI_PROF_DRAM_ACTIVE"
    busy = row(active, "0.5", 2, A100, "NVIDIA A100-SXM4-80GB")
    source = served.source()
    for energy in (900_000_000, 900_500_000):
        board = row(field, energy + 123, 2, A100, "NVIDIA A100-SXM4-80GB")
        text = split_a100(energy).replace(f"# TYPE {field} counter\n", f"# TYPE {field} counter\n{board}")
        served.show(text.replace(f"# TYPE {active} gauge\n", f"# TYPE {active} gauge\n{busy}"))
        gpu = source.read().gpus[0]
        served.now += 30
    assert (gpu.energy_joules, gpu.mig_enabled, gpu.dram_active_ratio) == (pytest.approx(900_500.123), True, None)


# ---- values and pages that are not what they should be ----


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("9223372036854775794", "not_supported"),
        ("140737488355330", "not_supported"),
        ("NaN", "implausible"),
        ("1.5", "implausible"),
        ("-0.5", "implausible"),
    ],
)
def test_a_value_that_is_none_is_left_out_with_its_reason(served, value, reason):
    source = served.source()
    for step in range(2):
        served.show(h100_page(energy=126272101025 + step, dram=value))
        reading = source.read()
        served.now += 30
    assert reading.gpus[0].dram_active_ratio is None
    assert reading.gpus[0].tensor_active_ratio == 0.1875
    assert reading.field_errors == {f"{H100}/dram_active_ratio": reason}


def test_an_energy_that_dcgm_does_not_know_is_no_energy(served):
    served.show(h100_page(energy=9223372036854775794))
    reading = served.source().read()
    assert reading.gpus[0].energy_joules is None
    assert reading.field_errors == {f"{H100}/energy_joules": "not_supported"}


def test_without_the_reserved_memory_the_total_is_unknown(served):
    rows = family("DCGM_FI_DEV_FB_FREE", row("DCGM_FI_DEV_FB_FREE", 100))
    served.show(rows + family("DCGM_FI_DEV_FB_USED", row("DCGM_FI_DEV_FB_USED", 50)))
    gpu = served.source().read().gpus[0]
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (50 * 1_048_576.0, None)


@pytest.mark.parametrize(
    ("text", "content_type", "reason"),
    [
        ("<html>login</html>", "text/html", "not_metrics"),
        ("<!doctype html>", "text/plain", "not_metrics"),
        (b"\xff\xfe\x00", "text/plain", "not_metrics"),
        ("DCGM_FI_DEV_POWER_USAGE{gpu= 5\n", "text/plain", "malformed"),
        ("", "text/plain", "no_dcgm_metrics"),
        ("vllm:num_requests_running 1\n", "text/plain", "no_dcgm_metrics"),
    ],
)
def test_another_page_is_refused_with_a_reason(served, text, content_type, reason):
    served.show(text, content_type)
    assert failure_of(served.source()).reason == reason


def test_a_missing_page_is_an_http_error(served):
    source = DcgmSource(served.url + "/elsewhere")
    assert failure_of(source).reason == "http_status"
    source.close()


def test_nobody_there_is_unreachable():
    with ScriptedServer({}) as server:
        url = server.url
    source = DcgmSource(url, timeout=2)
    assert failure_of(source).reason == "unreachable"
    source.close()
    source.close()
