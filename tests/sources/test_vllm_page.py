"""What vLLM's pages say, release by release, and what is refused."""

import math
from pathlib import Path

import pytest

from pentameter.readings import Histogram
from pentameter.sources import SourceError
from pentameter.sources.vllm_page import PageReader

CAPTURES = Path(__file__).parents[1] / "captures"


def read(page, content_type="text/plain; version=1.0.0; charset=utf-8", reader=None):
    body = page if isinstance(page, bytes) else page.encode()
    return (reader or PageReader("one")).read(body, content_type, monotonic=5.0, wall=7.0)


def capture(name):
    return (CAPTURES / name).read_text(encoding="utf-8")


def engine(page, **options):
    (only,) = read(page, **options).engines
    return only


def reason(page, **options):
    with pytest.raises(SourceError) as caught:
        read(page, **options)
    return caught.value.reason


GOOD = """\
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 5.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 2.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 2.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 0.6
"""


def test_a_real_page_of_0_32_is_understood():
    reading = read(capture("vllm-0.32.0-after-load.txt"))
    (only,) = reading.engines
    assert (reading.server, reading.monotonic, reading.wall) == ("one", 5.0, 7.0)
    assert reading.start_time == 1_795_425_997.12
    assert (only.model_name, only.engine) == ("./tiny", "0")
    assert only.counters["prompt_tokens"] == 7706
    assert only.counters["prompt_tokens_by_source/local_compute"] == 7706
    assert only.counters["generation_tokens"] == 5952
    assert only.counters["request_success/length"] == 123
    assert only.counters["flops_per_gpu"] == 88_827_650_048
    assert only.gauges["kv_cache_usage"] == 0
    assert only.gauges["sleep_state/awake"] == 1
    assert only.histograms["ttft"].count == 123
    assert only.histograms["ttft"].sum == 1.2672410011291504
    assert only.histograms["ttft"].bounds[:3] == (0.001, 0.005, 0.01)
    assert only.histograms["inter_token"].count == 5829
    assert only.histograms["tpot"].sum == 0.41450904321985776
    assert only.histograms["iteration_tokens"].count == 2748
    assert only.cache_config["block_size"] == "128"
    assert reading.server_counters == {
        "admission_rejections/max_num_queued_reqs": 0,
        "admission_rejections/max_num_queued_tokens": 0,
        "answers/v1/completions": 123.0,
    }


def test_answers_are_those_of_handlers_that_make_tokens_and_that_succeeded():
    def answered(handler, status):
        return f'http_requests_total{{handler="{handler}",method="POST",status="{status}"}} 3.0\n'

    text = 'vllm:num_requests_running{engine="0",model_name="m"} 1.0\n'
    text += answered("/v1/chat/completions", "2xx") + answered("/tokenize", "2xx") + answered("/v1/completions", "4xx")
    assert read(text).server_counters == {"answers/v1/chat/completions": 3.0}


def test_custom_buckets_are_read_from_the_page():
    default, custom = (engine(capture(f"vllm-0.32.0-{name}.txt")) for name in ("mfu", "custom-buckets"))
    assert custom.histograms["ttft"].bounds != default.histograms["ttft"].bounds
    assert custom.histograms["ttft"].bounds[-1] == math.inf


def test_data_parallel_engines_are_kept_apart():
    reading = read(capture("vllm-0.32.0-two-engines.txt"))
    assert [only.engine for only in reading.engines] == ["0", "1"]
    assert len({only.counters["generation_tokens"] for only in reading.engines}) == 2


def test_several_api_servers_publish_no_start_time():
    reading = read(capture("vllm-0.32.0-two-engines-multiprocess.txt"))
    assert reading.start_time is None
    assert [only.engine for only in reading.engines] == ["0", "1"]


def test_the_rust_front_ends_openmetrics_page_is_understood():
    only = engine(capture("vllm-0.32.0-rust-frontend.txt"), content_type="application/openmetrics-text; version=1.0.0")
    assert only.counters["generation_tokens"] > 0
    assert only.histograms["ttft"].count > 0


def test_of_two_names_for_one_thing_the_newer_counts():
    page = GOOD + (
        'vllm:gpu_cache_usage_perc{engine="0",model_name="m"} 0.1\n'
        'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.2\n'
    )
    assert engine(page).gauges["kv_cache_usage"] == 0.2


def test_the_older_name_counts_where_it_is_alone():
    page = GOOD + 'vllm:gpu_cache_usage_perc{engine="0",model_name="m"} 0.1\n'
    assert engine(page).gauges["kv_cache_usage"] == 0.1


def test_an_older_histogram_name_gives_way_to_the_newer():
    def family(name, count):
        labels = 'engine="0",model_name="m"'
        return (
            f'{name}_bucket{{{labels},le="+Inf"}} {count}\n{name}_count{{{labels}}} {count}\n{name}_sum{{{labels}}} 1\n'
        )

    old, new = "vllm:time_per_output_token_seconds", "vllm:inter_token_latency_seconds"
    assert engine(GOOD + family(old, 3)).histograms["inter_token"].count == 3
    assert engine(GOOD + family(new, 4) + family(old, 3)).histograms["inter_token"].count == 4


def test_an_engine_without_an_engine_label_is_engine_0():
    assert engine('vllm:generation_tokens_total{model_name="m"} 5\n').engine == "0"


def test_rays_spelling_is_understood_and_replicas_are_kept_apart():
    page = "".join(
        f'ray_vllm_generation_tokens_total{{engine="0",model_name="m",ReplicaId="{replica}"}} {tokens}\n'
        for replica, tokens in (("a", 1), ("b", 2))
    )
    assert [(e.engine, e.counters["generation_tokens"]) for e in read(page).engines] == [("a/0", 1), ("b/0", 2)]


def test_a_single_ray_replica_keeps_its_engine_number():
    page = 'vllm_generation_tokens{engine="0",model_name="m",ReplicaId="x"} 3\n'
    assert engine(page).engine == "0"
    assert engine(page).counters["generation_tokens"] == 3


def test_a_routers_repetition_of_its_backends_is_ignored():
    page = GOOD + 'vllm:num_requests_running{server="http://10.0.0.1:8000"} 9\n'
    assert "running" not in engine(page).gauges


def test_a_router_alone_is_no_vllm_server():
    assert reason('vllm:num_requests_running{server="http://10.0.0.1:8000"} 9\n') == "no_vllm_metrics"


def test_a_histogram_is_read_with_its_bounds():
    assert engine(GOOD).histograms == {"ttft": Histogram((0.1, math.inf), (1.0, 2.0), 0.6)}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<html><body>hello</body></html>\n", "not_metrics"),
        ("\x7fELF\0\0\0\0", "not_metrics"),
        ("", "truncated"),
        (GOOD[:-10], "truncated"),
        (GOOD[: GOOD.index("vllm:time_to_first_token_seconds_count")], "truncated"),
        (GOOD.replace("5.0\n", "five\n"), "malformed"),
        (GOOD.replace("5.0\n", "NaN\n"), "invalid_value"),
        (GOOD.replace("5.0\n", "-1\n"), "invalid_value"),
        (GOOD.replace("5.0\n", "+Inf\n"), "invalid_value"),
        (GOOD + 'vllm:num_requests_running{engine="0",model_name="m"} NaN\n', "invalid_value"),
        (GOOD.replace('le="0.1",model_name="m"} 1.0', 'le="0.1",model_name="m"} 9.0'), "invalid_value"),
        (
            GOOD.replace('_count{engine="0",model_name="m"} 2.0', '_count{engine="0",model_name="m"} 3.0'),
            "invalid_value",
        ),
        (GOOD + 'vllm:generation_tokens_total{engine="0",model_name="m"} 6.0\n', "duplicate_series"),
        (GOOD + 'vllm:generation_tokens_total{model_name="m",engine="0"} 6.0\n', "duplicate_series"),
        ("# HELP nothing here\n", "no_vllm_metrics"),
        ("node_load1 0.5\n", "no_vllm_metrics"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_bad_page_is_refused_whole_and_the_reason_named(page, expected):
    assert reason(page) == expected


def test_an_html_content_type_is_believed():
    assert reason("ok 1\n", content_type="text/html") == "not_metrics"


def test_an_openmetrics_page_without_its_end_is_truncated():
    assert reason(GOOD, content_type="application/openmetrics-text; version=1.0.0") == "truncated"


def test_nan_in_a_series_of_no_use_here_does_no_harm():
    assert engine(GOOD + "http_request_size_bytes NaN\n").counters == {"generation_tokens": 5}


def test_one_reader_reads_page_after_page():
    reader = PageReader("one")
    for tokens in ("5.0", "6.0", "7.0"):
        page = GOOD.replace("5.0\n", f"{tokens}\n")
        assert engine(page, reader=reader).counters["generation_tokens"] == float(tokens)
    assert reason(GOOD.replace("5.0\n", "NaN\n"), reader=reader) == "invalid_value"
    assert engine(GOOD, reader=reader).counters["generation_tokens"] == 5


def test_a_changed_cache_configuration_replaces_the_old():
    reader = PageReader("one")
    for blocks in ("100", "200"):
        page = GOOD + f'vllm:cache_config_info{{engine="0",num_gpu_blocks="{blocks}"}} 1.0\n'
        assert engine(page, reader=reader).cache_config["num_gpu_blocks"] == blocks
