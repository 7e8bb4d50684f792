"""The command line: serve, demo, once, check, estimate."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from pentameter import __version__, estimate_command
from pentameter.config import DEFAULT_LISTEN, ConfigError, Economics, Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pentameter.daemon import Feed
    from pentameter.meter import Meter

log = logging.getLogger("pentameter")


DEMO_BEGIN_SECONDS = 90.0
"""The demo opens in the overload of the simulated day, so that queue and preemptions move at once too."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pentameter",
        description="Measures a live vLLM server in five dimensions: computation, time, memory, energy, economics.",
    )
    parser.add_argument("--version", action="version", version=f"pentameter {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", help="YAML configuration (or PENTAMETER_CONFIG)")
    common.add_argument(
        "--vllm-url",
        metavar="URL",
        action="append",
        help="vLLM server, such as http://127.0.0.1:8000; repeatable",
    )
    common.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    listening = argparse.ArgumentParser(add_help=False)
    listening.add_argument("--listen", metavar="HOST:PORT", help=f"where to serve (default {DEFAULT_LISTEN})")

    commands.add_parser("serve", parents=[common, listening], help="run the exporter beside vLLM")
    demo = commands.add_parser("demo", parents=[common, listening], help="run the exporter on a simulated vLLM")
    demo.add_argument("--preset", default="h100-8b", help="what to simulate (default h100-8b)")
    once = commands.add_parser("once", parents=[common], help="print one snapshot and exit")
    once.add_argument("--format", choices=("text", "json"), default="text")
    once.add_argument("--seconds", type=_duration, default=3.0, help="how long to measure (default 3)")
    check = commands.add_parser("check", parents=[common], help="look what is there and what is missing")
    check.add_argument("--format", choices=("text", "json"), default="text")
    estimate_command.add(commands)
    return parser


def _duration(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        message = f"must be a number above 0, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status.

    0 fine, 1 found wanting or cannot start, 2 wrong settings, 130 interrupted at the keyboard.
    """
    options = _parser().parse_args(arguments)
    try:
        status = _run_command(options)
        sys.stdout.flush()
        return status
    except ConfigError as error:
        sys.stderr.write(f"pentameter: {error}\n")
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does; Python must not complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        sys.stderr.write(f"pentameter: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _run_command(options: argparse.Namespace) -> int:
    if options.command == "estimate":
        # It measures nothing, so it reads no settings of a server.
        return estimate_command.run(options)
    settings = _settings(options)
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    return _COMMANDS[options.command](options, settings)


def _settings(options: argparse.Namespace) -> Settings:
    overrides: dict[str, Any] = {}
    if options.vllm_url:
        overrides["vllm"] = {"servers": options.vllm_url}
    if getattr(options, "listen", None):
        overrides["listen"] = options.listen
    if options.log_level:
        overrides["log_level"] = options.log_level
    return load(options.config, overrides=overrides)


def _plan(settings: Settings) -> tuple[Meter, list[Feed]]:
    """Make what the settings describe; raises ``ConfigError`` for a GPU or a region that is in no table."""
    from pentameter.assembly import settings_to_feeds, settings_to_meter

    try:
        return settings_to_meter(settings), settings_to_feeds(settings)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _require_servers(settings: Settings) -> None:
    if not settings.vllm.servers:
        message = "no vLLM server is configured: give --vllm-url http://127.0.0.1:8000, or try `pentameter demo`"
        raise ConfigError(message)


def _run(
    options: argparse.Namespace, settings: Settings, again: Callable[[], Settings], meter: Meter, feeds: Sequence[Feed]
) -> int:
    from pentameter.price_changes import take_prices
    from pentameter.reload import Reloader
    from pentameter.serving import serve

    file = options.config or os.environ.get("PENTAMETER_CONFIG")
    reloader = Reloader(settings, again, partial(take_prices, meter), meter, file)
    asyncio.run(serve(settings, meter, feeds, reloader))
    return 0


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    _require_servers(settings)
    return _run(options, settings, partial(_settings, options), *_plan(settings))


def _demo(options: argparse.Namespace, settings: Settings) -> int:
    if settings.vllm.servers:
        # The same command line on a real server: nothing is simulated, nothing invented.
        return _serve(options, settings)
    from pentameter.daemon import HUNG_AFTER_SECONDS, Feed
    from pentameter.simulator.presets import PRESETS
    from pentameter.simulator.server import SimulatedVllm

    if options.preset not in PRESETS:
        message = f"unknown preset {options.preset!r}; there are: {', '.join(PRESETS)}"
        raise ConfigError(message)
    address = f"@pentameter-demo-{os.getpid()}" if settings.plugin.enabled else None
    # It speaks before the exporter listens, which is no news here.
    logging.getLogger("vllm.pentameter").setLevel(logging.WARNING)
    with SimulatedVllm(PRESETS[options.preset], begin=DEMO_BEGIN_SECONDS, plugin_socket=address) as simulated:
        url = simulated.start()
        log.info("simulating %s at %s", options.preset, url)
        overrides = {
            **_examples(settings),
            "listen": settings.listen,
            "vllm": {"servers": [{"url": url, "name": "simulator", "gpus": simulated.gpu_indices}]},
            "nvml": {"enabled": False},
            "plugin": {"socket": address} if address else {},
            "state_file": None,  # what is learnt of a simulation must not pass for the real server's
        }
        again = partial(load, options.config, overrides=overrides)
        demo = again()
        meter, feeds = _plan(demo)
        feeds.append(Feed(simulated.gpus, demo.nvml.interval_seconds, HUNG_AFTER_SECONDS))
        return _run(options, demo, again, meter, feeds)


def _examples(settings: Settings) -> dict[str, Any]:
    """Return a price, a grid and an SLO for the demo where none is set, so that every metric moves.

    The SLO is one that the simulated day keeps, but for its overload.
    """
    examples: dict[str, Any] = {}
    if settings.economics == Economics():
        ratios = {"output_to_input_ratio": 4, "cached_to_input_ratio": 0.1}  # as vendors ask
        examples["economics"] = {"gpu_dollars_per_hour": 2.5, "split": ratios}
    if settings.grid.region is None and settings.grid.grams_per_kwh is None:
        examples["grid"] = {"region": "USA"}
    if settings.energy.pue is None:
        host = {"idle_watts": 400, "max_watts": 1400, "gpus": 8}  # one GPU of eight in a machine
        examples["energy"] = {"pue": 1.15, "host": host}
    if not settings.slos:
        examples["slos"] = [
            {"name": "interactive", "ttft_seconds": 0.5, "tpot_seconds": 0.025},  # lost in the overload
            {"name": "patient", "e2e_seconds": 20},  # kept by some even then
        ]
    if examples:
        log.info("for the example only: %s", examples)
    return examples


def _once(options: argparse.Namespace, settings: Settings) -> int:
    from pentameter.daemon import Daemon, close
    from pentameter.exposition import Exposition
    from pentameter.http import document

    _require_servers(settings)
    meter, feeds = _plan(settings)
    daemon = Daemon(meter, feeds, settings.derive_interval_seconds)

    async def measure() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(options.seconds, stop.set)
        await daemon.run(stop)

    asyncio.run(measure())
    snapshot = daemon.publish()
    close(feeds)
    if options.format == "json":
        sys.stdout.write(json.dumps(document(snapshot), indent=2) + "\n")
    else:
        sys.stdout.write(Exposition(lambda: snapshot).render("")[0].decode())
    return 0 if any(health.up for health in snapshot.sources if health.source == "vllm") else 1


def _check(options: argparse.Namespace, settings: Settings) -> int:
    from pentameter.daemon import close
    from pentameter.doctor import examine

    _, feeds = _plan(settings)  # refuses what serve would refuse
    findings = list(examine(settings, feeds))
    close(feeds)
    if options.format == "json":
        rows = [{f: getattr(finding, f) for f in ("level", "subject", "message", "fix")} for finding in findings]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        for finding in findings:
            sys.stdout.write(f"{finding.level:8}{finding.subject}: {finding.message}\n")
            if finding.fix:
                sys.stdout.write(f"{'':8}  change: {finding.fix}\n")
    return 1 if any(finding.level == "error" for finding in findings) else 0


_COMMANDS = {"serve": _serve, "demo": _demo, "once": _once, "check": _check}
