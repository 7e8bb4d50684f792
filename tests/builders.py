"""Small worlds for tests: what a test does not name is left out or plain."""

from pentameter.readings import EngineReading, GpuReading
from pentameter.windows import Interval
from pentameter.world import Deployment, Engine, Gpu, GpuSpec, GridIntensity, Rolled, World

WINDOW = "1m"
A100 = GpuSpec("A100-SXM4-80GB", ("NVIDIA A100-SXM4-80GB",), 312e12, 2e12)
H100 = GpuSpec("H100-SXM-80GB", ("NVIDIA H100 80GB HBM3",), 989.4e12, 3.35e12)
POLAND = GridIntensity("POL", 588.6, "Ember 2025", "lifecycle")
ICELAND = GridIntensity("ISL", 27.8, "Ember 2024", "lifecycle")


def rolled(deltas=None, *, seconds=10.0, histograms=None, tick=None, window=WINDOW):
    """Return one window that saw ``deltas``, and a tick that saw ``tick``; None leaves either out."""
    windows = {} if deltas is None else {window: Interval(seconds, deltas, histograms or {})}
    return Rolled(windows, None if tick is None else Interval(1.0, tick))


def engine(
    deltas=None,
    *,
    seconds=10.0,
    histograms=None,
    tick=None,
    counters=None,
    gauges=None,
    cache_config=None,
    server="a",
    model="m",
    name="0",
    spec=None,
    version=None,
    window=WINDOW,
):
    """Return an engine; its counters read as high as the window's increase unless they are given."""
    counters = {**(deltas or {}), **(tick or {})} if counters is None else counters
    reading = EngineReading(model, name, counters, gauges or {}, {}, cache_config or {})
    what = rolled(deltas, seconds=seconds, histograms=histograms, tick=tick, window=window)
    return Engine(server, reading, what, spec, version)


def gpu(joules=None, *, seconds=10.0, tick=None, uuid="GPU-0", index=0, name=H100.nvml_names[0], **reading):
    """Return a GPU that used ``joules`` over the window, and ``tick`` joules since the last snapshot."""
    counted = joules if joules is not None else tick
    energy = None if counted is None else 1e6 + counted
    history = rolled(
        None if joules is None else {"energy_joules": joules},
        seconds=seconds,
        tick=None if tick is None else {"energy_joules": tick},
    )
    return Gpu(GpuReading(uuid, index, name, energy, **reading), history, H100, "a", history.tick)


def deployment(*engines, gpus=(), gpu_count=None, price=None, server="a", model="m", name="0"):
    """Return a server with its engines and GPUs; ``price`` is of one GPU per hour."""
    return Deployment(server, model, name, engines, tuple(gpus), gpu_count, price)


def world(*deployments, **more):
    """Return a world of one window with these deployments, their engines and their GPUs."""
    return World(
        windows=more.pop("windows", (WINDOW,)),
        engines=tuple(engine for one in deployments for engine in one.engines),
        deployments=deployments,
        gpus=more.pop("gpus", tuple(gpu for one in deployments for gpu in one.gpus)),
        **more,
    )


def found(samples, name, **labels):
    """Return the values of the samples with this name (its prefix left out) and at least these labels."""
    return [
        sample.value
        for sample in samples
        if sample.metric.name == f"pentameter_{name}"
        and labels.items() <= dict(zip(sample.metric.labels, sample.labels, strict=True)).items()
    ]


def value(samples, name, **labels):
    """Return the value of the one sample with these labels, or None where there is none."""
    values = found(samples, name, **labels)
    assert len(values) <= 1, f"{name}{labels} is not one sample: {values}"
    return values[0] if values else None


def names(samples):
    """Return the names of all samples, without their prefix."""
    return {sample.metric.name.removeprefix("pentameter_") for sample in samples}
