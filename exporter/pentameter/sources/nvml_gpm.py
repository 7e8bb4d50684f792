"""The performance monitor of one GPU through NVML (GPM, Hopper and newer): how much of the time its parts are busy.

The driver counts; a *sample* is a copy of its counters, and what happened is computed between two of them. One sample
is kept from reading to reading, so that every moment is covered once and a reading costs two calls.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

from pentameter.sources.nvml_codes import LIFECYCLE, NO_PERMISSION, PERMANENT, REASONS, code_of, nvml_errors, reason_of
from pentameter.units import PERCENT

if TYPE_CHECKING:
    from types import ModuleType

    Answer = dict[str, Any]

_ANY_TENSOR_UTIL = 5
_DRAM_BW_UTIL = 10
METRICS = {"dram_active_ratio": _DRAM_BW_UTIL, "tensor_active_ratio": _ANY_TENSOR_UTIL}
"""Field of ``GpuReading`` -> NVML's number of the metric, a percentage."""

_SAMPLES = 2
_APART_SECONDS = 0.15
"""NVML wants samples more than 100 ms apart, by its own clock."""
_STALE_SECONDS = 600.0
"""Beyond this (a suspended machine) nobody knows what the counters did in between."""
_WHOLE_PERCENT = 100.0
_SLACK_PERCENT = 1.0
"""How far outside of 0 to 100 the rounding of a counter may take a metric."""
_NOTHING_NEW = {"profiling_source": "gpm"}
_SLOTS = 1024
"""How many metrics there is room for: more than any driver knows, and NVML's structure is as long as its own number
of them, which grew from 98 to 477 without a new version of the structure."""


class Gpm:
    """The performance monitor of one opened GPU; it holds samples in the driver until ``free``."""

    def __init__(self, handle: object) -> None:
        self._handle = handle
        self._samples: list[Any] = []
        """The last one taken, then the one to take next; fewer where allocating failed halfway."""
        self._taken: float | None = None
        self._request: Any = None
        self._refused = ""

    def read(self, nvml: ModuleType, monotonic: float) -> tuple[Answer, dict[str, str]]:
        """Return the fields of a reading at ``monotonic``, and the reason for each that there is trouble with.

        The first reading only takes a sample and has no ratios; nor has one that comes too soon after the last, whose
        time the next one covers. The moment of the reading stands for that of the sample, which is taken at the same
        place in every reading. A refusal for good is remembered. Raises what ``pynvml`` raised where that means that
        the GPU or the driver is gone.
        """
        try:
            if len(self._samples) < _SAMPLES and not self._refused:
                self._open(nvml)
            if self._refused:
                return {}, dict.fromkeys(METRICS, self._refused)
            return self._measure(nvml, monotonic)
        except nvml_errors(nvml) as error:
            if code_of(error) in LIFECYCLE:
                raise
            reason = reason_of(error)
            if code_of(error) in PERMANENT or code_of(error) == NO_PERMISSION:
                self.free(nvml)
                self._refused = reason
            return {}, dict.fromkeys(METRICS, reason)

    def free(self, nvml: ModuleType) -> None:
        """Give the samples back to the driver; never raises."""
        samples, self._samples = self._samples, []
        self._taken = None
        for sample in samples:
            try:
                nvml.nvmlGpmSampleFree(sample)
            except nvml_errors(nvml):
                continue  # the driver is gone, and its memory with it

    def _open(self, nvml: ModuleType) -> None:
        if not nvml.nvmlGpmQueryDeviceSupport(self._handle).isSupportedDevice:
            self._refused = "not_supported"
            return
        while len(self._samples) < _SAMPLES:
            self._samples.append(nvml.nvmlGpmSampleAlloc())
        self._request = _request_type(nvml)()

    def _measure(self, nvml: ModuleType, monotonic: float) -> tuple[Answer, dict[str, str]]:
        before = self._taken
        if before is not None and monotonic - before < _APART_SECONDS:
            return dict(_NOTHING_NEW), {}
        last, new = self._samples
        nvml.nvmlGpmSampleGet(self._handle, new)
        self._samples = [new, last]
        self._taken = monotonic
        if before is None or monotonic - before > _STALE_SECONDS:
            return dict(_NOTHING_NEW), {}
        answer, troubles = self._between(nvml, last, new)
        if answer:
            answer |= {"profiled_seconds": monotonic - before, **_NOTHING_NEW}
        return answer, troubles

    def _between(self, nvml: ModuleType, first: object, second: object) -> tuple[Answer, dict[str, str]]:
        """Return the ratios between two samples; a metric that NVML refuses, or that makes no sense, is troubled."""
        request = self._request
        request.version = nvml.NVML_GPM_METRICS_GET_VERSION
        request.numMetrics = len(METRICS)
        request.sample1, request.sample2 = first, second
        for place, number in enumerate(METRICS.values()):
            request.metrics[place].metricId = number
        nvml.nvmlGpmMetricsGet(request)
        answer: Answer = {}
        troubles: dict[str, str] = {}
        for place, field in enumerate(METRICS):
            metric = request.metrics[place]
            ratio = _ratio(float(metric.value))
            if metric.nvmlReturn != 0:
                troubles[field] = REASONS.get(int(metric.nvmlReturn), "other")
            elif ratio is None:
                troubles[field] = "implausible"
            else:
                answer[field] = ratio
        return answer, troubles


def _ratio(percent: float) -> float | None:
    """Return a percentage as a ratio; None for one that is no share of anything, NaN among them."""
    if not -_SLACK_PERCENT <= percent <= _WHOLE_PERCENT + _SLACK_PERCENT:
        return None
    return min(max(percent, 0.0), _WHOLE_PERCENT) * PERCENT


@cache
def _request_type(nvml: ModuleType) -> type[ctypes.Structure]:
    """Return NVML's ``nvmlGpmMetricsGet_t`` with room for more metrics than ``pynvml``'s, which may have too little."""

    class Request(ctypes.Structure):
        _fields_ = (
            ("version", ctypes.c_uint),
            ("numMetrics", ctypes.c_uint),
            ("sample1", nvml.c_nvmlGpmSample_t),
            ("sample2", nvml.c_nvmlGpmSample_t),
            ("metrics", nvml.c_nvmlGpmMetric_t * _SLOTS),
        )

    return Request
