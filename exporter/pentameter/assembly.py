"""From the settings to the parts of the daemon: the meter, and the sources with their pace. Nothing is read yet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pentameter.carbon_settings import settings_to_carbon, settings_to_grid
from pentameter.config import Settings, seconds_of
from pentameter.cost.languages import ENGLISH, count_words
from pentameter.cost_settings import settings_to_costs
from pentameter.daemon import HUNG_AFTER_SECONDS, Feed
from pentameter.drift.book import DriftPlan
from pentameter.facts import find_gpu, find_model, gpu_specs
from pentameter.facts.languages import chosen_translations
from pentameter.grid_feed import live_grid, longest_read_seconds
from pentameter.host_energy import HostPlan
from pentameter.market.follower import MarketFollower
from pentameter.market_settings import settings_to_market
from pentameter.meter import Meter
from pentameter.price_sources import longest_read_seconds as longest_price_read_seconds
from pentameter.price_sources import price_feed, settings_to_desk
from pentameter.served_models import ModelPlan
from pentameter.server_plan import MachinePlan, ServerPlan
from pentameter.slo import OBJECTIVES, Policy, Slo
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.dcgm import DcgmSource
from pentameter.sources.grid_live import READ_EVERY_SECONDS
from pentameter.sources.host import HostSource
from pentameter.sources.http_get import Credentials
from pentameter.sources.model_files import ModelFiles
from pentameter.sources.model_names import served_root
from pentameter.sources.nvml import NvmlSource
from pentameter.sources.otlp import OtlpInbox
from pentameter.sources.otlp_forward import OtlpForwarder
from pentameter.sources.plugin_feed import PluginFeed
from pentameter.sources.price_feed import READ_EVERY_SECONDS as READ_PRICES_EVERY_SECONDS
from pentameter.sources.rapl import Rapl
from pentameter.sources.tokenize import READ_EVERY_SECONDS as READ_TOKENS_EVERY_SECONDS
from pentameter.sources.tokenize import TokenizerSource
from pentameter.sources.vllm_metrics import VllmSource
from pentameter.windows import Window

if TYPE_CHECKING:
    from pentameter.config import Server, Vllm
    from pentameter.records import RecordsReading
    from pentameter.sources import Source

log = logging.getLogger("pentameter")

RECORDS_INTERVAL_SECONDS = 0.25
MODEL_INTERVAL_SECONDS = 60.0
"""A server may be restarted with another model under the same name."""


def settings_to_meter(settings: Settings) -> Meter:
    """Make the meter that the settings describe; raises ``ValueError`` for an unknown region or GPU."""
    specs = gpu_specs()
    windows = [Window(label, seconds_of(label)) for label in settings.windows]
    return Meter(
        windows,
        settings_to_plans(settings),
        find_spec=lambda name: find_gpu(name, specs),
        grid=settings_to_grid(settings.grid),
        carbon=settings_to_carbon(settings.carbon, settings.grid),
        slos=settings_to_slos(settings),
        machine=_machine(settings),
        prices=settings_to_desk(settings),
        market=MarketFollower(settings_to_market(settings.economics)),
        drift=_drift(settings),
    )


def _drift(settings: Settings) -> DriftPlan | None:
    drift = settings.economics.drift
    return DriftPlan(drift.horizon_days, drift.match_ratio) if drift.enabled else None


def _machine(settings: Settings) -> MachinePlan:
    host = settings.energy.host
    plan = HostPlan(host.idle_watts, host.max_watts, host.estimate, host.gpus, host.share)
    return MachinePlan(plan, settings.energy.pue)


def settings_to_plans(settings: Settings) -> list[ServerPlan]:
    """Make what is configured of every server; raises ``ValueError`` for an unknown GPU."""
    specs, costs = gpu_specs(), settings_to_costs(settings)
    plans = []
    for server in settings.vllm.servers:
        spec = None
        if server.gpu_type is not None:
            spec = find_gpu(server.gpu_type, specs)
            if spec is None:
                known = ", ".join(s.gpu for s in specs)
                message = f"vllm.servers: unknown gpu_type {server.gpu_type!r}; known: {known}"
                raise ValueError(message)
        plans.append(
            ServerPlan(
                server=server.name,
                gpus=server.gpus,
                gpu_count=server.gpu_count,
                gpu_spec=spec,
                cost=costs[server.name],
                gpu_peak_flops=server.gpu_peak_flops_per_second,
                gpu_bandwidth=server.gpu_bandwidth_bytes_per_second,
                model=ModelPlan(
                    parameters=server.model.parameters,
                    active_parameters=server.model.active_parameters,
                    overrides=server.model.overrides,
                ),
            )
        )
    return plans


def settings_to_slos(settings: Settings) -> list[Slo]:
    """Make the service level objectives that the settings describe."""
    return [
        Slo(
            slo.name,
            {
                objective: seconds
                for objective in OBJECTIVES
                if (seconds := getattr(slo, f"{objective}_seconds")) is not None
            },
            slo.target,
            slo.model,
            Policy(slo.aborted, slo.failed, slo.rejected, slo.one_token, slo.preempted),
        )
        for slo in settings.slos
    ]


def settings_to_feeds(settings: Settings) -> list[Feed]:
    """Make the sources that the settings describe; nothing is read yet."""
    vllm = settings.vllm
    feeds = [
        Feed(
            VllmSource(
                server.name,
                server.url,
                timeout=vllm.timeout_seconds,
                max_bytes=vllm.max_page_bytes,
                credentials=_credentials(server),
            ),
            vllm.interval_seconds,
            2 * vllm.timeout_seconds + HUNG_AFTER_SECONDS,
        )
        for server in vllm.servers
    ]
    feeds += [_model(server, settings.vllm) for server in vllm.servers if server.model.parameters is None]
    feeds += _tokenizers(settings)
    dcgm = settings.dcgm
    if dcgm.url is not None:
        source = DcgmSource(dcgm.url, uuids=dcgm.uuids, pod=dcgm.pod, namespace=dcgm.namespace)
        feeds.append(Feed(source, dcgm.interval_seconds, HUNG_AFTER_SECONDS))
    if settings.nvml.enabled:
        # Where every server names its GPUs, the others of the node are not our business, nor their loss our failure.
        named = [server.gpus for server in vllm.servers]
        wanted = tuple(dict.fromkeys(gpu for gpus in named for gpu in gpus)) if all(named) else ()
        feeds.append(Feed(NvmlSource(wanted), settings.nvml.interval_seconds, HUNG_AFTER_SECONDS))
    if settings.host.enabled:
        host = settings.energy.host
        rapl = Rapl(host.powercap) if host.rapl else None
        feeds.append(Feed(HostSource(rapl), settings.host.interval_seconds, HUNG_AFTER_SECONDS))
    prices = price_feed(settings.economics)
    if prices is not None:
        patience = longest_price_read_seconds(settings.economics.prices) + HUNG_AFTER_SECONDS
        feeds.append(Feed(prices, READ_PRICES_EVERY_SECONDS, patience))
    live = live_grid(settings.grid.live)
    if live is not None:
        feeds.append(Feed(live, READ_EVERY_SECONDS, longest_read_seconds(settings.grid.live) + HUNG_AFTER_SECONDS))
    if settings.plugin.enabled:
        feeds.append(_records(PluginFeed(settings.plugin.socket)))
    if settings.otlp.http != "off" or settings.otlp.grpc_listen:
        upstream = settings.otlp.forward_url
        forward = OtlpForwarder(upstream, on_change=_log_forwarding) if upstream else None
        feeds.append(_records(OtlpInbox(forward)))
    return feeds


def _model(server: Server, vllm: Vllm) -> Feed:
    """Return the feed that finds a server's model; without a configured one it asks the server, which may be silent."""
    credentials = _credentials(server)

    def told() -> str | None:
        try:
            return served_root(server.url, credentials=credentials, timeout=vllm.timeout_seconds)
        except SourceError as error:
            # Nobody asked for it: a server that does not answer here is measured without its model.
            message = (
                f"{error}; give the server's model.path, model.config or model.parameters, or load the plugin into vLLM"
            )
            raise SourceAbsent(error.reason, message) from error

    source = ModelFiles(
        server.name,
        path=server.model.path,
        config=server.model.config,
        names=told,
        cache=vllm.model_cache,
        table=find_model,
    )
    return Feed(source, MODEL_INTERVAL_SECONDS, vllm.timeout_seconds + HUNG_AFTER_SECONDS)


def _tokenizers(settings: Settings) -> list[Feed]:
    """Return the feeds that count tokens by language; raises ``ValueError`` for a language that is not shipped."""
    languages = settings.economics.languages
    if not languages.enabled:
        return []
    texts = {one.language: one.articles for one in chosen_translations(languages.languages)}
    timeout = settings.vllm.timeout_seconds
    return [
        Feed(
            TokenizerSource(
                server.name,
                server.url,
                texts,
                english_words=count_words(texts[ENGLISH]),
                credentials=_credentials(server),
                timeout=timeout,
            ),
            READ_TOKENS_EVERY_SECONDS,
            3 * timeout + HUNG_AFTER_SECONDS,
        )
        for server in settings.vllm.servers
    ]


def _credentials(server: Server) -> Credentials:
    return Credentials(server.bearer_token, server.bearer_token_file, server.ca_file, server.insecure_skip_verify)


def _log_forwarding(trouble: str) -> None:
    if trouble:
        log.warning("otlp: forwarding is in trouble: %s", trouble)
    else:
        log.info("otlp: forwarding works")


def _records(source: Source[RecordsReading]) -> Feed:
    """Return the feed of a receiver: it is emptied often, and a sender that comes late is heard at once."""
    every = RECORDS_INTERVAL_SECONDS
    return Feed(source, every, HUNG_AFTER_SECONDS, absent_retry=every, receives=True)
