"""The exporter's own health: what it reads, how old that is, and what it takes itself."""

from __future__ import annotations

from boards.fleet_gpus import UNCLAIMED, unclaimed
from boards.kit import Board, Column, Row, query, rate, select, stat, table, timeseries
from boards.many import CROWD, foremost
from boards.parts import GPUS

_BY = "instance, source, server"
_BUILD = select("pentameter_build_info")
_A_SCRAPE = "an exporter that Prometheus scrapes"
SILENT = 60
"""Seconds from which the shipped alert on exporters that no longer compute fires."""

_up = select("pentameter_source_up")
_age = f"time() - {select('pentameter_source_last_success_timestamp_seconds')}"
_derive = select("pentameter_source_last_success_timestamp_seconds", source="derive")
_took = select("pentameter_source_read_duration_seconds")


def _ours(expression: str) -> str:
    """Return a figure of the process, of exporters only: what shares their job and instance."""
    joined = f"{expression} * on (job, instance) group_left () {_BUILD}"
    return foremost(joined, "process_resident_memory_bytes", "job, instance")


def _in_an_hour(counter: str) -> str:
    """Return the increase of a counter that begins with its first event: 0 where there was none."""
    grown = f"sum by ({_BY}) (increase({select(counter)}[1h]))"
    return f"{grown} or 0 * max by ({_BY}) ({_up})"


SOURCES = Row(
    "Can the figures be trusted?",
    (
        stat("Exporters", [query(f"count(max by (instance) ({_BUILD}))", "exporters")],
             unit="short", span=4, graph=False, needs=_A_SCRAPE, text="Exporters whose page Prometheus has read."),
        stat("Sources down", [query(f"sum(max by ({_BY}) ({_up}) < bool 1)", "down")],
             unit="short", span=4, steps={1: "red"}, needs=_A_SCRAPE,
             text="Sources whose last read failed. One that does not exist here, such as NVML without a GPU, does not "
             "count."),
        stat("Age of the figures", [query(f"max(time() - {_derive})", "oldest")],
             unit="s", decimals=1, span=4, steps={SILENT: "red"}, needs=_A_SCRAPE,
             text="Seconds since the exporter that is the furthest behind last computed its figures, at the scrape "
             f"before. Red from {SILENT} s, where an alert fires."),
        stat("Failed reads a minute",
             [query(f"60 * sum({rate('pentameter_source_failures_total', '$__rate_interval')}) or 0 * sum({_up})",
                    "failed")],
             unit="short", decimals=1, span=4, needs=_A_SCRAPE,
             text="Reads of all sources that failed. A few while vLLM restarts are normal."),
        stat("Requests with a record",
             [query(f"min({select('pentameter_request_record_coverage_ratio')})", "least")],
             unit="percentunit", decimals=1, span=4, steps={0.9: "green"}, base="red",
             needs="request records (plugin or spans), and finished requests",
             text="Of the engine that has the fewest. Below 90 % (red), the attainment of SLOs is not called exact."),
        stat("Unclaimed GPUs", [query(f"count({UNCLAIMED}) or 0 * count({select('pentameter_gpu_info')})", "GPUs")],
             unit="short", span=4, graph=False, needs=GPUS,
             text="GPUs that an exporter sees and that no vLLM server is known to use. They are listed below."),
        table(
            "Sources and their state",
            {"instance": "Exporter", "source": "Source", "server": "Server"},
            [
                Column("Down", f"max by ({_BY}) ({_up}) < bool 1", "short", 0, {1: "red"}),
                Column("Age", f"min by ({_BY}) ({_age})", "s"),
                Column("Reads/min",
                       f"sum by ({_BY}) ({rate('pentameter_source_reads_total', '$__rate_interval')}) * 60", "short"),
                Column("Failed/h", _in_an_hour("pentameter_source_failures_total"), "short", 0),
                Column("Took", f"max by ({_BY}) ({_took})", "s"),
                Column("Resets/h", _in_an_hour("pentameter_source_resets_total"), "short", 0),
            ],
            span=15, height=12, sort_by="Down", needs=_A_SCRAPE,
            widths={"Exporter": 140, "Source": 110, "Server": 110},
            text="One line for each thing that an exporter reads, those that are down first. Down: 1 while the last "
            "read failed. Age: since the last read that succeeded; settings, model and tokenizer are read seldom. "
            "Failed, Resets: in the last hour; a reset is a restart of what is read. Took: the last that succeeded.",
        ),
        table(
            "Why a source is down or absent",
            {"state": "State", "source": "Source", "reason": "Reason"},
            [
                Column(
                    "Exporters",
                    "count by (state, source, reason) ("
                    f'label_replace({_up} == 0, "state", "down", "", "") or '
                    f'label_replace({select("pentameter_source_absent")}, "state", "absent", "", ""))',
                    "short", 0, width=80,
                ),
            ],
            span=9, height=12, needs="a source that is down or absent: every source is up", sort_by="Exporters",
            text="down: the last read failed, for the reason told. absent: does not exist here, a normal state; "
            "no_sender: nobody has sent anything yet.",
        ),
    ),
)  # fmt: skip

OVER_TIME = Row(
    "Sources over time",
    (
        timeseries(
            "Sources down",
            [query(f"sum by (source) (max by ({_BY}) ({_up}) < bool 1)", "{{source}}")],
            unit="short", decimals=0, span=8, height=9, steps=True, needs=_A_SCRAPE,
            text="Number of sources whose last read failed, by kind.",
        ),
        timeseries(
            "Age of what was read",
            [query(f"max by (source) ({_age})", "{{source}}")],
            unit="s", span=8, height=9, logarithmic=True, needs=_A_SCRAPE,
            text="Since the last read that succeeded, the oldest of each kind. Settings are read once; model and "
            "tokenizer seldom.",
        ),
        timeseries(
            "Duration of reads",
            [query(f"max by (source) ({_took})", "{{source}}")],
            unit="s", span=8, height=9, logarithmic=True, needs=_A_SCRAPE,
            text="Of the last read that succeeded, the slowest of each kind.",
        ),
    ),
)  # fmt: skip

_WHO = "{{pod}} {{instance}}"
_MANY = f"Of more than {CROWD} exporters, those that took the most memory."
OWN = Row(
    "The exporters themselves",
    (
        timeseries("CPU of the exporter", [query(_ours("rate(process_cpu_seconds_total[$__rate_interval])"), _WHO)],
                   unit="percentunit", span=8, height=9, needs=_A_SCRAPE,
                   text=f"100 % is one core. From process_cpu_seconds_total. {_MANY}"),
        timeseries("Memory of the exporter", [query(_ours("process_resident_memory_bytes"), _WHO)],
                   unit="bytes", span=8, height=9, needs=_A_SCRAPE,
                   text=f"Resident memory. From process_resident_memory_bytes. {_MANY}"),
        timeseries("Scrape of the exporter", [query(_ours("scrape_duration_seconds"), _WHO)],
                   unit="s", span=8, height=9, logarithmic=True, needs=_A_SCRAPE,
                   text=f"How long Prometheus took to read the page. From scrape_duration_seconds. {_MANY}"),
        timeseries(
            "Request records a second",
            [query(f"sum by (source, outcome) ({rate('pentameter_request_records_total', '$__rate_interval')})",
                   "{{outcome}} ({{source}})")],
            unit="short", span=8, height=9, needs="request records (plugin or spans)",
            text="accepted, then counted; every other outcome is a loss, with its reason.",
        ),
        timeseries("Samples on the page", [query(_ours("scrape_samples_scraped"), _WHO)],
                   unit="short", span=8, height=9, needs=_A_SCRAPE,
                   text=f"Samples in one scrape. From scrape_samples_scraped. {_MANY}"),
        timeseries("Host CPU",
                   [query(f"max by (pod, instance) ({select('pentameter_host_cpu_utilization_ratio')})", _WHO)],
                   unit="percentunit", most=1, span=8, height=9, needs=_A_SCRAPE,
                   text="Busy share of the machine that each exporter runs on."),
    ),
)  # fmt: skip

DETAILS = Row(
    "Versions, and GPUs without a server",
    (
        table(
            "Versions",
            {"instance": "Exporter", "version": "Pentameter", "python_version": "Python"},
            [
                Column(
                    "Started",
                    "max by (instance, version, python_version) (process_start_time_seconds * on (job, instance) "
                    f"group_left (version, python_version) {_BUILD}) * 1000",
                    "dateTimeFromNow",
                )
            ],
            span=12, height=8, sort_by="Started", needs=_A_SCRAPE,
            text="Build of each exporter and when it started.",
        ),
        unclaimed(span=12, height=8),
    ),
)  # fmt: skip

BOARD = Board(
    slug="exporter",
    title="Exporter health",
    description="Whether the figures can be trusted: what each exporter reads, how old it is, what failed and why.",
    rows=(SOURCES, OVER_TIME, OWN, DETAILS),
)
