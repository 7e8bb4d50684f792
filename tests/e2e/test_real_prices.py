"""Dollars on a real vLLM: what is counted is the price times the time, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from e2e.rig.exporter import ExporterProcess
from e2e.rig.load import Load, Plan
from e2e.rig.page import sample
from e2e.rig.process import http_get
from e2e.rig.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

GPUS = 2
CHEAP, DEAR = 2.5, 4.0
OVERHEAD = 0.75
BOOK = "provider,instance,gpus,pricing,dollars_per_gpu_hour,as_of\nHouse,box-2,2,on-demand,{price},2026-11-01\n"
MEASURED_SECONDS = 20.0


@dataclass(frozen=True)
class Moment:
    """One snapshot: its time and its samples."""

    time: float
    samples: list[dict[str, object]]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        return sum(
            float(str(one["value"]))
            for one in self.samples
            if one["name"] == f"pentameter_{name}" and labels.items() <= dict(one["labels"]).items()  # type: ignore[call-overload]
        )

    def has(self, name: str) -> bool:
        """Say whether a metric has any sample."""
        return any(one["name"] == f"pentameter_{name}" for one in self.samples)


@dataclass(frozen=True)
class Billed:
    """A vLLM, the exporter beside it, and the files that its prices come from."""

    exporter: ExporterProcess
    book: Path
    settings: Path
    tree: dict[str, object]

    def now(self) -> Moment:
        """Return the latest snapshot."""
        document = json.loads(http_get(f"{self.exporter.url}/api/v1/snapshot"))
        return Moment(document["time"], document["samples"])

    def per_hour(self) -> float:
        """Return the total cost per hour."""
        return self.now().total("cost_per_hour_dollars", component="total")

    def price(self, dollars: float) -> None:
        """Change the price file, as an editor does: by a new file in its place."""
        new = self.book.with_suffix(".new")
        new.write_text(BOOK.format(price=dollars))
        new.replace(self.book)

    def wait_for(self, per_hour: float) -> None:
        """Wait until a cost per hour is in force."""
        wait_until(f"the server costs {per_hour} an hour", lambda: self.per_hour() == pytest.approx(per_hour))

    def source_is_up(self, source: str) -> bool:
        """Say what the exporter says of a source."""
        return sample(self.exporter.metrics(), "pentameter_source_up", source=source) == 1.0


@pytest.fixture(scope="module")
def billed(vllm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prices")
    book, settings = folder / "gpus.csv", folder / "pentameter.yaml"
    book.write_text(BOOK.format(price=CHEAP))
    tree = {
        "vllm": {"servers": [{"url": vllm.url, "gpu_count": GPUS}]},
        "economics": {
            "provider": "House",
            "instance": "box-2",
            "prices": {"gpu_file": str(book)},
            "overhead_dollars_per_hour": OVERHEAD,
        },
    }
    settings.write_text(json.dumps(tree))
    exporter = ExporterProcess(["--config", str(settings)])
    try:
        exporter.start()
        one = Billed(exporter, book, settings, tree)
        one.wait_for(GPUS * CHEAP + OVERHEAD)
        yield one
    finally:
        exporter.stop()


def dollars_are_price_times_time(first: Moment, last: Moment, per_hour: float) -> None:
    counted = last.total("cost_dollars_total") - first.total("cost_dollars_total")
    assert counted == pytest.approx(per_hour * (last.time - first.time) / 3600, rel=1e-3)


def test_under_load_the_dollars_counted_are_price_times_time(billed, vllm):
    load = Load(vllm.url, vllm.model_name, Plan(requests=10_000, seconds=MEASURED_SECONDS, rate=8.0))
    first = billed.now()
    load.run()
    last = billed.now()
    assert last.time - first.time >= MEASURED_SECONDS - 2
    dollars_are_price_times_time(first, last, GPUS * CHEAP + OVERHEAD)
    active = last.total("active_cost_dollars_total") - first.total("active_cost_dollars_total")
    assert active > 0.5 * (last.total("cost_dollars_total") - first.total("cost_dollars_total"))
    assert last.has("cost_per_million_tokens_dollars")


def test_the_components_and_the_states_add_up_to_the_total(billed):
    now = billed.now()
    parts = now.total("cost_per_hour_dollars") - now.total("cost_per_hour_dollars", component="total")
    assert parts == pytest.approx(now.total("cost_per_hour_dollars", component="total"))
    states = sum(now.total(f"{state}_cost_dollars_total") for state in ("active", "idle", "asleep", "unobserved"))
    assert states == pytest.approx(now.total("cost_dollars_total"))


def test_a_changed_price_file_bills_the_new_price_from_then_on(billed):
    before = billed.now()
    billed.price(DEAR)
    billed.wait_for(GPUS * DEAR + OVERHEAD)
    first = billed.now()
    # What was billed in between is no more than the new price and no less than the old one.
    billed_meanwhile = first.total("cost_dollars_total") - before.total("cost_dollars_total")
    hours = (first.time - before.time) / 3600
    assert (GPUS * CHEAP + OVERHEAD) * hours * 0.999 <= billed_meanwhile
    assert billed_meanwhile <= (GPUS * DEAR + OVERHEAD) * hours * 1.001
    time.sleep(10)
    dollars_are_price_times_time(first, billed.now(), GPUS * DEAR + OVERHEAD)


def test_a_price_file_that_is_broken_leaves_the_old_price_in_force_and_is_shown(billed):
    good = billed.book.read_text()
    billed.book.write_text(good.replace(str(DEAR), "four"))
    wait_until("the broken file is shown", lambda: not billed.source_is_up("prices"))
    assert billed.per_hour() == pytest.approx(GPUS * DEAR + OVERHEAD)
    billed.book.write_text(good)
    wait_until("the mended file is taken", lambda: billed.source_is_up("prices"))


def test_a_hangup_reads_changed_settings_and_wrong_ones_change_nothing(billed):
    right = json.loads(json.dumps(billed.tree))
    right["economics"]["overhead_dollars_per_hour"] = 2 * OVERHEAD
    billed.settings.write_text(json.dumps(right))
    os.kill(billed.exporter.pid, signal.SIGHUP)
    billed.wait_for(GPUS * DEAR + 2 * OVERHEAD)
    wrong = json.loads(json.dumps(right))
    wrong["economics"]["overhead_dolars_per_hour"] = 9
    billed.settings.write_text(json.dumps(wrong))
    os.kill(billed.exporter.pid, signal.SIGHUP)
    wait_until("the wrong settings are shown", lambda: not billed.source_is_up("settings"))
    assert billed.per_hour() == pytest.approx(GPUS * DEAR + 2 * OVERHEAD)
    billed.settings.write_text(json.dumps(right))
    wait_until("the mended settings are taken", lambda: billed.source_is_up("settings"))


def test_a_restart_of_vllm_is_paid_to_the_second_and_its_start_is_warm_up(billed, vllm):
    first = billed.now()
    per_hour = first.total("cost_per_hour_dollars", component="total")
    vllm.kill()
    wait_until("the loss is seen", lambda: not billed.source_is_up("vllm"))
    assert not billed.now().has("cost_per_million_tokens_dollars"), "what a token costs is not known"
    vllm.start()
    wait_until("it is seen again", lambda: billed.source_is_up("vllm"))
    wait_until("its warm-up is billed", lambda: billed.now().total("warmup_cost_dollars_total") > 0)
    last = billed.now()
    dollars_are_price_times_time(first, last, per_hour)
    warm = last.total("warmup_cost_dollars_total") - first.total("warmup_cost_dollars_total")
    unseen = last.total("unobserved_cost_dollars_total") - first.total("unobserved_cost_dollars_total")
    assert 0 < warm <= unseen
