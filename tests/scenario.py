"""The scenario of the golden pages: a vLLM page, the same page doubled ten seconds later, two GPUs, one host.

Because every counter doubles, what the page says in all is what happened in the ten seconds.
"""

import json
import re

from builders import H100, ICELAND, POLAND, rented
from pentameter.capacity.estimate import Limits
from pentameter.capacity.load import LoadWindow
from pentameter.capacity.memory import CapacityBook
from pentameter.carbon.basis import CarbonBasis
from pentameter.cost.book import ApiPrice, PriceBook
from pentameter.cost.plan import CostPlan, Quote
from pentameter.cost.split import Ratios
from pentameter.facts.embodied import embodied_table
from pentameter.health import BUILD_INFO
from pentameter.market.choice import Choice
from pentameter.market.follower import MarketFollower
from pentameter.meter import Meter
from pentameter.price_desk import PriceDesk
from pentameter.readings import GpuReading, GpusReading, GridReading, HostReading, LanguageReading
from pentameter.records import EngineConfig, FinishedRequest, IterationFacts, RecordsReading
from pentameter.server_plan import ServerPlan
from pentameter.slo import Slo
from pentameter.snapshot import Snapshot, SourceHealth
from pentameter.sources.vllm_page import PageReader
from pentameter.windows import Window

SERVER = "vllm:8000"
SECONDS = 10.0
START_WALL = 1_800_000_000.0
BEGINNING = 5000.0
END = BEGINNING + SECONDS
WINDOWS = (Window("1m", 60.0),)
DOLLARS_PER_GPU_HOUR = 1.8
# The same price from the price book, and the ratios of a vendor.
PRICED = CostPlan(
    Quote(
        DOLLARS_PER_GPU_HOUR, "shipped", "Acme", "north", "acme-1", "H100-SXM-80GB", "on-demand", "2026-01-01", "list"
    ),
    ratios=Ratios(4.0, 0.1),
)

# Joules in the ten seconds, and watts at their end.
GPUS = {"GPU-0": (5000.0, 510.0), "GPU-1": (3000.0, 290.0)}

# The model behind the captures of the real vLLM, a made-up one.
TINY_LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "head_dim": 32,
    "hidden_size": 256,
    "intermediate_size": 688,
    "model_type": "llama",
    "num_attention_heads": 8,
    "num_hidden_layers": 4,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
    "vocab_size": 2048,
}
FACTS = {
    "hf_config": json.dumps(TINY_LLAMA),
    "dtype": "bfloat16",
    "tensor_parallel_size": 2,
    "max_num_seqs": 256,
    "max_num_batched_tokens": 2048,
    "max_model_len": 2048,
}

_SAMPLE = re.compile(r"(?P<name>(?:ray_)?vllm[:_]\w+)(?P<labels>\{.*\})? (?P<value>\S+)")
_TYPE = re.compile(r"# TYPE (?P<family>\S+) (?:counter|histogram)")
_SUFFIX = re.compile(r"_(total|bucket|sum|count)$")


def doubled(page: str) -> str:
    """Return a page on which every counter and histogram of vLLM stands twice as high; all else is the same."""
    families = {found["family"] for line in page.splitlines() if (found := _TYPE.fullmatch(line))}

    def twice(line):
        sample = _SAMPLE.fullmatch(line)
        if not sample or not {sample["name"], _SUFFIX.sub("", sample["name"])} & families:
            return line
        return f"{sample['name']}{sample['labels'] or ''} {float(sample['value']) * 2}"

    return "".join(twice(line) + "\n" for line in page.splitlines())


def busy(page: str) -> str:
    """Return a page on which four requests run, that hold a hundredth of the cache."""
    page = re.sub(r"(?m)^(vllm:num_requests_running\{.*\}) \S+$", r"\1 4.0", page)
    return re.sub(r"(?m)^(vllm:kv_cache_usage_perc\{.*\}) \S+$", r"\1 0.01", page)


def _gpus(monotonic, share):
    """Return the GPUs after a share of the ten seconds."""
    return GpusReading(
        monotonic,
        START_WALL + monotonic - BEGINNING,
        tuple(
            GpuReading(
                uuid=uuid,
                index=index,
                name=H100.nvml_names[0],
                energy_joules=1e6 + share * joules,
                power_watts=watts,
                power_limit_watts=700.0,
                memory_total_bytes=85.5e9,
                memory_used_bytes=77e9,
                utilization_ratio=0.9,
                temperature_celsius=60.0 + index,
                # Too hot all the time, by two readings; a quarter of it at the power limit, by the driver's count.
                clock_reasons=0x20,
                clock_reasons_known=0x1FF,
                power_capped_seconds=40.0 + share * 2.5,
                compute_capability="9.0",
                # Measured over the ten seconds.
                dram_active_ratio=0.3 if share else None,
                tensor_active_ratio=0.2 if share else None,
                profiled_seconds=SECONDS if share else None,
                profiling_source="gpm",
            )
            for index, (uuid, (joules, watts)) in enumerate(GPUS.items())
        ),
        driver_version="580.95.05",
    )


def _up(source, server=""):
    return SourceHealth(
        source, server, up=True, reason="", last_success=START_WALL + SECONDS, duration_seconds=0.01, successes=2
    )


# Of the hour that ended 90 s before the beginning.
MARGINAL = GridReading(
    "CAISO_NORTH", 394.6, "watttime", "direct", "marginal", None, 0.0, START_WALL - 90, BEGINNING, START_WALL
)
CARBON = CarbonBasis(market_grams_per_kwh=0.0, others=(POLAND, ICELAND), embodied=embodied_table())

APIS = (
    ApiPrice("OpenAI", "GPT-5", 1.25, 10, as_of="2025-10-01", baseline=True),
    ApiPrice("Anthropic", "Claude Sonnet 4.5", 3, 15, 0.3, as_of="2026-11-23"),
    ApiPrice("Together AI", "Llama 4 Scout", 0.18, 0.59, as_of="2026-11-23", status="retired"),
)

SLO = Slo("chat", {"ttft": 0.5, "tpot": 0.05})


def requests(number):
    """Return as many requests of the ten seconds, of which every fourth was too late, and one that was aborted."""
    finished = [
        FinishedRequest(
            origin="plugin",
            arrival_wall=START_WALL + 1.0,
            e2e=(ttft := 0.1 if i % 4 else 0.7) + 0.8,
            output_tokens=41,
            prompt_tokens=100,
            ttft=ttft,
            decode=0.8,
            queue=0.01,
            prefill=ttft - 0.01,
            finish_reason="stop",
            request_id=f"cmpl-{i}",
        )
        for i in range(number)
    ]
    return (*finished, FinishedRequest("plugin", START_WALL + 2.0, 0.2, 0, finish_reason="abort", request_id="gone"))


def learnt(meter, model_name):
    """Let the meter remember hours of traffic that went beyond what the server can do in time."""
    book = CapacityBook(Limits())
    for i in range(200):
        rate = 1.0 + 5.0 * (i % 50) / 49
        severity = 1 / (2.2 - 0.28 * rate)
        good = 0.99 if severity < 1 else 0.6
        window = LoadWindow(
            start=START_WALL - 60.0 * (250 - i),
            seconds=60.0,
            arrivals=round(60 * rate),
            judged=round(60 * rate),
            good=round(60 * rate * good),
            severity=severity,
            margins={"ttft": severity, "tpot": severity / 2},
            output_tokens=41.0,
            prompt_tokens=100.0,
            waiting_at_start=0.0,
            running_peak=20.0 * rate,
            kv_peak=0.1 * rate,
            dispersion=1.2,
        )
        book.add([window], monotonic=0.0, wall=0.0)
    mark = "chat 0.9 tpot=0.05,ttft=0.5 late,bad,bad,judge,judge"
    entry = {"server": SERVER, "model": model_name, "slo": mark, "config": "", "book": book.to_state()}
    meter.requests.capacity.restore({"capacities": [entry]})


def metered(page: str, *, records: bool = False) -> Meter:
    """Return the meter after the ten seconds: a snapshot was made of their beginning, none yet of their end.

    With records there is the plugin, which tells the model too, and the server is busy at either end; what carbon is
    reckoned with is there as well.
    """
    page = busy(page) if records else page
    meter = Meter(
        WINDOWS,
        [ServerPlan(SERVER, cost=PRICED if records else rented(DOLLARS_PER_GPU_HOUR))],
        find_spec={H100.nvml_names[0]: H100}.get,
        grid=POLAND,
        carbon=CARBON if records else None,
        slos=[SLO],
        prices=PriceDesk({}, PriceBook(apis=APIS if records else ())),
        market=MarketFollower(Choice(baseline=True)),
    )
    reader = PageReader(SERVER)
    for share, text in ((0.0, page), (1.0, doubled(page))):
        now = BEGINNING + share * SECONDS
        if share:
            meter.measure(BEGINNING, START_WALL)
        reading = reader.read(text.encode(), "text/plain", monotonic=now, wall=START_WALL + now - BEGINNING)
        if records:
            (_take_records if share else _begin_records)(meter, now, reading)
            meter.take_grid(MARGINAL)
            meter.take_languages(LanguageReading(SERVER, "m", {"en": 1500, "hi": 3000}, 1361, now, START_WALL))
        meter.take_vllm(reading)
        meter.take_gpus(_gpus(now, share), "nvml")
        # 20 of 4 x 10 seconds busy.
        meter.take_host(HostReading(now, START_WALL + now - BEGINNING, 4, 1000.0 + 20.0 * share, 64e9, 12e9))
        for health in (_up("vllm", SERVER), _up("nvml"), _up("host"), *([_up("plugin")] if records else [])):
            meter.take_health(health)
    return meter


def _begin_records(meter, now, reading):
    [engine] = reading.engines
    learnt(meter, engine.model_name)
    config = EngineConfig(engine.model_name, engine.engine, facts=FACTS)
    meter.take_records(RecordsReading(now, START_WALL, configs=(config,)), "plugin")


def _take_records(meter, now, reading):
    finished = 123  # as many as the page counts
    counts = {"accepted": float(finished)}
    (engine,) = reading.engines
    by_adapter = IterationFacts(engine.model_name, engine.engine, adapters={"": 900, "billing-bot": 100})
    told = RecordsReading(now, START_WALL + SECONDS, requests(finished), (by_adapter,), counts=counts)
    meter.take_records(told, "plugin")


def played(page: str, *, records: bool = False) -> Snapshot:
    """Return the snapshot at the end of the ten seconds."""
    snapshot = metered(page, records=records).measure(END, START_WALL + SECONDS)
    # The daemon adds its build.
    return Snapshot(
        (*snapshot.samples, BUILD_INFO(1, "0.0.0", "3.11.0")), snapshot.sources, snapshot.wall, snapshot.monotonic, 1
    )
