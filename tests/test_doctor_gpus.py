"""The doctor at GPUs, and at settings that leave something unknown."""

from examining import COMPLETE, about_gpus, about_settings, findings_for, h100
from fakes import nvml_fake
from fakes.nvml_fake import FakeNvml
from given_settings import settings
from pentameter.findings import Finding
from pentameter.readings import GpuReading


def test_a_gpu_that_nvml_shows_is_named_and_an_unknown_one_asks_for_its_type(tmp_path_factory):
    chosen = settings({"vllm": {"servers": ["http://127.0.0.1:9"]}, "host": {"enabled": False}})
    with FakeNvml.for_tests(tmp_path_factory, gpus=2).in_process() as nvml:
        nvml.gpu(0, name="NVIDIA H100 80GB HBM3", energy_mj=1)
        nvml.gpu(1, name="NVIDIA Mystery 9000", energy_mj=1)
        found = [finding for finding in findings_for(chosen) if finding.subject == "nvml"]
    assert found[0] == Finding("ok", "nvml", f"GPU 0 {nvml_fake.uuid(0)} NVIDIA H100 80GB HBM3 = H100-SXM-80GB")
    assert found[1] == Finding(
        "warning",
        "nvml",
        f"GPU 1 {nvml_fake.uuid(1)} NVIDIA Mystery 9000 is not in the specification table: no MFU, MBU against "
        "3352 GB/s, by its memory clock and bus width",
        "vllm: {servers: [{url: http://127.0.0.1:9, gpu_type: NAME}]}    "
        "# a listed GPU of the same peaks, if there is one",
    )


def test_an_unknown_gpu_that_tells_nothing_of_its_memory_has_no_mbu_either():
    mystery = GpuReading("GPU-0", 0, "NVIDIA Mystery 9000", energy_joules=1.0)
    assert about_gpus(mystery)[0].message == (
        "GPU 0 GPU-0 NVIDIA Mystery 9000 is not in the specification table: no MFU, no MBU"
    )


def test_a_gpu_without_a_performance_monitor_is_told_once():
    errors = {"GPU-0/dram_active_ratio": "not_supported", "GPU-0/tensor_active_ratio": "not_supported"}
    assert about_gpus(h100(), field_errors=errors)[1:] == [
        Finding(
            "info",
            "nvml",
            "GPU-0 does not tell how busy its memory is (not_supported): no measured MBU and tensor activity",
        )
    ]


def test_a_configured_type_answers_for_an_unknown_gpu():
    mystery = GpuReading("GPU-0", 0, "NVIDIA Mystery 9000", energy_joules=1.0)
    assert about_gpus(mystery, vllm=COMPLETE["vllm"]) == [Finding("ok", "nvml", "GPU 0 GPU-0 NVIDIA Mystery 9000 = L4")]


def test_a_configured_type_that_contradicts_nvml_is_told():
    assert about_gpus(h100(), vllm=COMPLETE["vllm"]) == [
        Finding(
            "warning",
            "nvml",
            "GPU 0 GPU-0 NVIDIA H100 80GB HBM3 = H100-SXM-80GB, but gpu_type says L4: MFU and MBU are measured "
            "against L4",
            "vllm: {servers: [{url: http://a:1}]}    # without gpu_type",
        )
    ]


def test_a_gpu_without_an_energy_counter_costs_the_joules_per_token():
    assert about_gpus(h100(energy_joules=None), field_errors={"GPU-0/energy_joules": "not_supported"})[1:] == [
        Finding("warning", "nvml", "GPU 0 has no energy counter (older than Volta, or virtual): no joules per token")
    ]


def test_where_power_is_told_it_stands_in_for_the_counter():
    found = about_gpus(
        h100(energy_joules=None, power_watts=300.0), field_errors={"GPU-0/energy_joules": "not_supported"}
    )
    assert found[1].message == (
        "GPU 0 has no energy counter (older than Volta, or virtual): power times time stands in"
    )


def test_a_gpu_in_mig_mode_is_measured_as_a_board():
    assert about_gpus(h100(mig_enabled=True))[1:] == [
        Finding("warning", "nvml", "GPU 0 is split by MIG: power, energy and memory are those of the whole board")
    ]


def test_a_field_that_cannot_be_read_is_told_unless_its_absence_costs_nothing():
    errors = {"GPU-0/power_watts": "no_permission", "GPU-0/mig_enabled": "not_supported"}
    assert about_gpus(h100(), field_errors=errors)[1:] == [
        Finding("info", "nvml", "GPU-0/power_watts cannot be read: no_permission")
    ]


def test_a_configured_gpu_that_is_not_visible_is_told():
    servers = {"servers": [{"url": "http://a:1", "gpus": ["GPU-0", "7", "GPU-9"]}]}
    found = about_gpus(h100(), field_errors={"7/handle": "invalid_argument"}, vllm=servers)
    fix = "vllm: {servers: [{url: http://a:1, gpus: [GPU-UUID]}]}    # nvidia-smi -L lists them"
    assert found[1:] == [
        Finding(
            "warning", "nvml", "GPU 7 of a:1 cannot be read (invalid_argument): no energy or carbon of that server", fix
        ),
        Finding(
            "warning",
            "nvml",
            "GPU GPU-9 of a:1 cannot be read (not visible here): no energy or carbon of that server",
            fix,
        ),
    ]


def test_complete_settings_leave_nothing_to_say():
    assert about_settings(COMPLETE) == []


def test_no_server_is_an_error():
    assert about_settings({**COMPLETE, "vllm": {}}) == [
        Finding("error", "settings", "no vLLM server is configured", "--vllm-url http://127.0.0.1:8000")
    ]


def test_several_servers_need_to_say_which_gpus_are_whose():
    servers = [{"url": f"http://{name}:1", "gpu_type": "L4", "gpu_count": 1} for name in "ab"]
    servers.append({"url": "http://c:1", "gpu_type": "L4", "gpus": ["GPU-0"]})
    assert about_settings({**COMPLETE, "vllm": {"servers": servers}}) == [
        Finding(
            "warning",
            "settings",
            "several servers, and the GPUs of a:1, b:1 are not named: their energy and carbon are left out",
            "vllm: {servers: [{url: URL, gpus: [GPU-UUID]}]}    # nvidia-smi -L lists them",
        )
    ]


def test_a_gpu_of_two_servers_is_counted_to_neither():
    servers = [{"url": f"http://{name}:1", "gpu_type": "L4", "gpus": ["GPU-0"]} for name in "ab"]
    assert about_settings({**COMPLETE, "vllm": {"servers": servers}}) == [
        Finding(
            "warning",
            "settings",
            "GPU GPU-0 is given to a:1 and b:1: it is counted to neither",
            "vllm: {servers: [{url: URL, gpus: [GPU-UUID]}]}    # nvidia-smi -L lists them",
        )
    ]


def test_one_server_among_several_gpus_is_told_that_all_are_counted_to_it():
    assert about_settings(COMPLETE, gpus=(h100(0), h100(1))) == [
        Finding(
            "info",
            "settings",
            "all 2 GPUs that are visible are counted to a:1; if it uses fewer, say so",
            "vllm: {servers: [{url: http://a:1, gpus: [GPU-UUID]}]}    # nvidia-smi -L lists them",
        )
    ]


def test_without_gpus_in_sight_their_type_and_number_are_asked_for():
    assert about_settings({**COMPLETE, "vllm": {"servers": ["http://a:1"]}}) == [
        Finding(
            "info",
            "settings",
            "the GPU type of a:1 is unknown: no peak for MFU and MBU",
            "vllm: {servers: [{url: http://a:1, gpu_type: H100-SXM-80GB}]}",
        ),
        Finding(
            "info",
            "settings",
            "the number of GPUs of a:1 is unknown: cost is left out",
            "vllm: {servers: [{url: http://a:1, gpu_count: 1}]}",
        ),
    ]


def test_a_missing_price_is_told():
    assert about_settings({**COMPLETE, "economics": {}}) == [
        Finding(
            "info",
            "settings",
            "no GPU price for a:1: cost is left out",
            "economics: {gpu_dollars_per_hour: 2.50}",
        )
    ]


def test_a_price_at_the_server_is_a_price():
    priced = {"url": "http://a:1", "gpu_type": "L4", "gpu_count": 1, "gpu_dollars_per_hour": 3}
    assert about_settings({**COMPLETE, "economics": {}, "vllm": {"servers": [priced]}}) == []


def test_a_missing_grid_is_told():
    assert about_settings({**COMPLETE, "grid": {}}) == [
        Finding(
            "info",
            "settings",
            "no grid region: carbon is left out",
            "grid: {region: POL}    # ISO 3166 alpha-3 of the country where the GPUs stand",
        )
    ]


def test_a_figure_of_ones_own_is_a_grid():
    assert about_settings({**COMPLETE, "grid": {"grams_per_kwh": 41}}) == []
