"""The doctor at a vLLM server that answers: what is missing on its page, and the line that changes it."""

import pytest

from examining import LABELS, MODELS, NO_GPUS, about_vllm, capture, findings_for, old_page, vllm
from fakes.http_server import ScriptedServer, page
from fakes.tokenizer_server import TokenizerServer
from given_settings import settings
from pentameter.doctor import release_of
from pentameter.findings import Finding


def test_a_server_that_counts_flops_is_fine_throughout():
    found, _ = about_vllm(vllm(capture("mfu")))
    assert found == [
        Finding("ok", "vllm a", "vLLM 0.32.0"),
        Finding("ok", "vllm a", "serves llama, adapter"),
        Finding("ok", "vllm a engine 0", "tiny-llama: 19 counters, 8 gauges, 11 histograms understood"),
        Finding("ok", "vllm a engine 0", "counts FLOPs and bytes: MFU and MBU with basis=vllm"),
    ]


def test_tokens_without_flops_mean_that_the_flag_is_missing():
    found, _ = about_vllm(vllm(capture("mfu-off")))
    assert found[-1] == Finding(
        "warning",
        "vllm a engine 0",
        "MFU metrics are off, FLOPs stay at 0 while tokens flow: MFU and MBU with basis=vllm left out",
        "vllm serve ... --enable-mfu-metrics",
    )


def test_before_the_first_token_nothing_is_said_about_the_flag():
    zero = page(f"vllm:estimated_flops_per_gpu_total{LABELS} 0.0\nvllm:generation_tokens_total{LABELS} 0.0\n")
    found, _ = about_vllm(vllm(zero))
    assert found[-1] == Finding(
        "info",
        "vllm a engine 0",
        "no token yet: cannot tell whether MFU metrics are on",
        "vllm serve ... --enable-mfu-metrics    # unless it is there",
    )


def test_every_engine_is_looked_at():
    found, _ = about_vllm(vllm(capture("two-engines")))
    assert [f.subject for f in found if "understood" in f.message] == ["vllm a engine 0", "vllm a engine 1"]


def test_a_page_without_a_start_time_is_explained():
    found, _ = about_vllm(vllm(capture("two-engines-multiprocess")))
    assert (
        Finding(
            "info",
            "vllm a",
            "the page has no process_start_time_seconds (several API servers, Rust front end or Ray): restarts are "
            "recognised by falling counters",
        )
        in found
    )


def test_what_an_old_release_lacks_names_the_release_that_has_it():
    names = ["prompt_tokens_total", "generation_tokens_total", "gpu_cache_usage_perc"]
    found, _ = about_vllm(vllm(old_page(*names), "0.8.5"))
    assert found[0] == Finding("ok", "vllm a", "vLLM 0.8.5")
    assert (
        Finding(
            "info",
            "vllm a engine 0",
            "no vllm:estimated_flops_per_gpu_total: MFU and MBU with basis=vllm left out; vLLM has it from 0.17",
            "pip install 'vllm>=0.17'    # and then --enable-mfu-metrics",
        )
        in found
    )
    assert (
        Finding(
            "info",
            "vllm a engine 0",
            "no vllm:request_time_per_output_token_seconds: time per output token left out; vLLM has it from 0.11",
            "pip install 'vllm>=0.11'",
        )
        in found
    )
    assert not any("kv_cache_usage_perc" in finding.message for finding in found)


def test_what_a_release_hides_names_the_flag_with_the_minor_release_before():
    found, _ = about_vllm(vllm(old_page("generation_tokens_total"), "0.11.1"))
    assert (
        Finding(
            "warning",
            "vllm a engine 0",
            "no vllm:kv_cache_usage_perc: KV cache usage left out; this release hides it",
            "--show-hidden-metrics-for-version 0.10",
        )
        in found
    )


def test_what_a_release_should_have_is_asked_after():
    found, _ = about_vllm(vllm(old_page("generation_tokens_total"), "0.32.0"))
    assert (
        Finding(
            "warning",
            "vllm a engine 0",
            "no vllm:prompt_tokens_total: token rates and cost left out; vLLM has it from 0.8.5: lost on the way?",
        )
        in found
    )


@pytest.mark.parametrize(
    ("version", "finding"),
    [
        ("0.8.5", Finding("ok", "vllm a", "vLLM 0.8.5")),
        ("0.33.1", Finding("ok", "vllm a", "vLLM 0.33.1")),
        (
            "0.8.4",
            Finding(
                "warning",
                "vllm a",
                "vLLM 0.8.4 is older than 0.8.5, the oldest release whose metrics are known here",
                "pip install 'vllm>=0.8.5'",
            ),
        ),
        (
            "0.34.0",
            Finding(
                "info",
                "vllm a",
                "vLLM 0.34.0 is newer than 0.33, the newest release known here: watch out for what is missing",
            ),
        ),
        ("dev", Finding("info", "vllm a", "vLLM dev is a build without a release number")),
        (
            None,
            Finding("info", "vllm a", "/version does not tell the release; what is missing cannot be explained by it"),
        ),
    ],
)
def test_the_release_is_judged(version, finding):
    found, _ = about_vllm(vllm(capture("mfu"), version))
    assert found[0] == finding


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("0.32.0", (0, 32, 0)),
        ("v0.10.2rc1", (0, 10, 2)),
        ("0.11.1.dev7+g1a2b", (0, 11, 1)),
        ("0.1.dev1+g1a2b", None),
        ("dev", None),
        (None, None),
    ],
)
def test_a_version_is_read_as_numbers(version, release):
    assert release_of(version) == release


def test_a_model_list_behind_a_token_asks_for_the_token():
    found, url = about_vllm(vllm(capture("mfu"), models=page("{}", status="401 Unauthorized")))
    assert found[1] == Finding(
        "info",
        "vllm a",
        "/v1/models cannot be read: answered 401 Unauthorized; nothing else needs it",
        f"vllm: {{servers: [{{url: {url}, bearer_token_file: /path/to/token}}]}}",
    )


def test_a_missing_model_list_asks_for_nothing():
    found, _ = about_vllm(vllm(capture("mfu"), models=page("no", status="404 Not Found")))
    assert found[1] == Finding(
        "info", "vllm a", "/v1/models cannot be read: answered 404 Not Found; nothing else needs it"
    )


def test_a_server_that_counts_tokens_is_said_to():
    with TokenizerServer() as server:
        found = findings_for(settings({"vllm": {"servers": [{"url": server.url, "name": "a"}]}, **NO_GPUS}))
    [about] = [finding for finding in found if finding.subject == "tokenizer a"]
    assert (about.level, about.message) == ("ok", "counts the tokens of m")


def test_a_server_without_a_tokenizer_page_is_no_error():
    with ScriptedServer({"/v1/models": MODELS}) as server:
        found = findings_for(settings({"vllm": {"servers": [{"url": server.url, "name": "a"}]}, **NO_GPUS}))
    [about] = [finding for finding in found if finding.subject == "tokenizer a"]
    assert about.level == "info"
    assert about.message.startswith("not_found: answered 404")
