"""The exporter's own health: what it reads, how old that is, and what it takes itself."""

from __future__ import annotations

from boards.kit import Board, Column, Row, query, rate, select, stat, table, timeseries

SOURCE = "{{source}} {{server}} {{instance}}"
_BY = "instance, source, server"
_BUILD = select("pentameter_build_info")


def _ours(expression: str) -> str:
    """Return a figure of the process, of exporters only: what shares their job and instance."""
    return f"{expression} * on (job, instance) group_left () {_BUILD}"


_up = f"max by ({_BY}) ({select('pentameter_source_up')})"
_age = f"time() - max by ({_BY}) ({select('pentameter_source_last_success_timestamp_seconds')})"
_derive = select("pentameter_source_last_success_timestamp_seconds", source="derive")
_state = {"0": ("down", "red"), "1": ("up", "green")}

SOURCES = Row(
    "Sources",
    (
        stat(
            "Exporters",
            [query(f"count(max by (instance) ({_BUILD}))", "")],
            unit="short",
            span=4,
            needs="a scrape of /metrics",
            text="Exporters whose page Prometheus has read.",
        ),
        stat(
            "Sources down",
            [query(f"sum({_up} < bool 1)", "")],
            unit="short",
            span=4,
            steps={1: "red"},
            text="Sources whose last read failed. One that does not exist here, such as NVML without a GPU, does not "
            "count.",
        ),
        stat(
            "Age of the figures",
            [query(f"max(time() - {_derive})", "")],
            unit="s",
            decimals=1,
            span=4,
            steps={30: "orange", 120: "red"},
            text="Seconds since the oldest exporter last computed its figures, as of the scrape before.",
        ),
        stat(
            "Failed reads",
            [query(f"sum({rate('pentameter_source_failures_total', '$__rate_interval')}) * 60", "")],
            unit="short",
            decimals=1,
            span=4,
            steps={0.1: "orange", 10: "red"},
            text="Failed reads of all sources a minute.",
        ),
        stat(
            "Requests with a record",
            [query(f"min by (model_name) ({select('pentameter_request_record_coverage_ratio')})", "{{model_name}}")],
            unit="percentunit",
            decimals=1,
            span=8,
            steps={0.9: "green"},
            base="red",
            needs="request records (plugin or spans) and finished requests",
            text="Below 90 % attainment is not called exact.",
        ),
        table(
            "Sources and their state",
            {"instance": "Exporter", "source": "Source", "server": "Server"},
            [
                Column("Up", _up, "none", 0, {1: "green"}, "red"),
                Column("Age", _age, "s", 1),
                Column(
                    "Reads a minute",
                    f"sum by ({_BY}) ({rate('pentameter_source_reads_total', '$__rate_interval')}) * 60",
                    "short",
                    1,
                ),
                Column(
                    "Failures in 1 h",
                    f"sum by ({_BY}) (increase({select('pentameter_source_failures_total')}[1h]))",
                    "short",
                    0,
                    {1: "red"},
                ),
                Column(
                    "Last read took",
                    f"max by ({_BY}) ({select('pentameter_source_read_duration_seconds')})",
                    "s",
                    3,
                ),
                Column(
                    "Resets in 1 h",
                    f"sum by ({_BY}) (increase({select('pentameter_source_resets_total')}[1h]))",
                    "short",
                    0,
                ),
            ],
            span=16,
            height=10,
            sort_by="Failures in 1 h",
            text="One line for each thing that an exporter reads; Up is 1 or 0.",
        ),
        table(
            "Why a source is down or absent",
            {"instance": "Exporter", "source": "Source", "server": "Server", "reason": "Reason"},
            [
                Column(
                    "Value",
                    f"max by ({_BY}, reason) ({select('pentameter_source_up')} == 0 or "
                    f"{select('pentameter_source_absent')})",
                    "none",
                    0,
                ),
            ],
            span=8,
            height=10,
            text="0: down, see the reason. 1: does not exist here, a normal state. Empty: every source is up.",
        ),
    ),
)

OVER_TIME = Row(
    "Over time",
    (
        timeseries(
            "Source up",
            [query(_up, SOURCE)],
            unit="none",
            most=1,
            steps=True,
            text="1 while the last read succeeded.",
        ),
        timeseries(
            "Age of what was read",
            [query(_age, SOURCE)],
            unit="s",
            text="Seconds since each source was last read with success. Settings and model are read seldom.",
        ),
        timeseries(
            "Duration of reads",
            [query(f"max by ({_BY}) ({select('pentameter_source_read_duration_seconds')})", SOURCE)],
            unit="s",
            text="How long the last successful read took.",
        ),
        timeseries(
            "Request records a second",
            [
                query(
                    f"sum by (source, outcome) ({rate('pentameter_request_records_total', '$__rate_interval')})",
                    "{{source}} {{outcome}}",
                )
            ],
            unit="ops",
            needs="request records (plugin or spans)",
            text="accepted, then counted; every other outcome is a loss with its reason.",
        ),
    ),
)

OWN = Row(
    "The exporter itself",
    (
        timeseries(
            "CPU of the exporter",
            [query(_ours("rate(process_cpu_seconds_total[$__rate_interval])"), "{{instance}}")],
            unit="percentunit",
            span=8,
            text="Cores that the exporter's process takes: 100 % is one core. From process_cpu_seconds_total.",
        ),
        timeseries(
            "Memory of the exporter",
            [query(_ours("process_resident_memory_bytes"), "{{instance}}")],
            unit="bytes",
            span=8,
            text="Resident memory. From process_resident_memory_bytes.",
        ),
        timeseries(
            "Scrape of the exporter",
            [
                query(_ours("scrape_duration_seconds"), "{{instance}} duration"),
            ],
            unit="s",
            span=8,
            text="How long Prometheus took to read the page. From scrape_duration_seconds.",
        ),
        timeseries(
            "Host CPU",
            [query(f"max by (instance) ({select('pentameter_host_cpu_utilization_ratio')})", "{{instance}}")],
            unit="percentunit",
            most=1,
            span=8,
            text="Busy share of the machine that the exporter runs on.",
        ),
        timeseries(
            "Series on the page",
            [query(_ours("scrape_samples_scraped"), "{{instance}}")],
            unit="short",
            span=8,
            text="Samples in one scrape. From scrape_samples_scraped.",
        ),
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
            span=8,
            text="Build of each exporter and when it started.",
        ),
    ),
)

BOARD = Board(
    slug="exporter",
    title="Exporter health",
    description="Whether the figures can be trusted: what each exporter reads, how old it is, what failed and why.",
    rows=(SOURCES, OVER_TIME, OWN),
)
