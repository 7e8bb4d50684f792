"""The warning at the start, of thresholds that vLLM's buckets cannot judge."""

import logging
import math

import pytest

from builders import slo
from pentameter.bucket_warnings import PATIENCE_SECONDS, BucketWarnings
from pentameter.readings import EngineReading, Histogram, VllmReading

BOUNDS = (0.1, 0.25, 0.5, math.inf)


def page(time, bounds=BOUNDS):
    ttft = Histogram(bounds, (0.0,) * len(bounds), 0.0)
    return VllmReading("a", time, 0.0, None, (EngineReading("m", "0", {}, {}, {"ttft": ttft}),), {})


def warnings(caplog, *pages, slos=None, records=False):
    caplog.set_level(logging.WARNING)
    slos = (slo("chat", ttft=0.3),) if slos is None else slos
    looking = BucketWarnings(slos, lambda server, model: records)
    for one in pages:
        looking.take(one)
    return [record.getMessage() for record in caplog.records]


def test_a_threshold_between_bounds_is_warned_of_once_with_the_option_that_mends_it(caplog):
    [message] = warnings(caplog, page(0.0), page(PATIENCE_SECONDS), page(100.0))
    assert "vllm a: no request records" in message
    assert "--custom-histogram-buckets" in message
    assert "0.3" in message


def test_records_are_waited_for(caplog):
    assert warnings(caplog, page(0.0), page(PATIENCE_SECONDS - 1)) == []


def test_where_records_come_buckets_do_not_matter(caplog):
    assert warnings(caplog, page(0.0), page(100.0), records=True) == []


@pytest.mark.parametrize("slos", [(), (slo("chat", ttft=0.25),), (slo("chat", ttft=0.3, model="other"),)])
def test_without_a_threshold_between_bounds_nothing_is_said(caplog, slos):
    assert warnings(caplog, page(0.0), page(100.0), slos=slos) == []
