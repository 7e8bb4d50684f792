"""Small worlds for tests: what a test does not name is left out or plain."""

from pentameter.carbon.intensity import GridIntensity
from pentameter.cost.owned import Machine
from pentameter.cost.plan import CostPlan, Quote
from pentameter.model.parallel import Parallel
from pentameter.model.spec import Basis, Layer, Matrices, ModelSpec
from pentameter.readings import EngineReading, GpuReading
from pentameter.records import FinishedRequest, RecordsReading
from pentameter.slo import Policy, Slo
from pentameter.windows import Interval
from pentameter.work_meter import KEYS
from pentameter.world import (
    Deployment,
    Engine,
    Gpu,
    GpuSpec,
    Peaks,
    Rolled,
    Served,
    ServedModel,
    UnknownModel,
    World,
)

# Eight H100 in a machine of 250,000 dollars with 15 % more for the network, as a new cloud would reckon.
EIGHT_H100 = Machine(
    gpus=8,
    gpu_dollars=250_000,
    network_dollars=37_500,
    lifetime_years=4,
    discount_rate=0.10,
    residual_ratio=0.15,
    colocation_kilowatts=10.2,
    colocation_dollars_per_kilowatt_month=150,
    operations_ratio=0.05,
)

WINDOW = "1m"
A100 = GpuSpec("A100-SXM4-80GB", ("NVIDIA A100-SXM4-80GB",), 312e12, 2e12)
H100 = GpuSpec("H100-SXM-80GB", ("NVIDIA H100 80GB HBM3",), 989.4e12, 3.35e12)
POLAND = GridIntensity("POL", 588.6, "Ember 2025", "lifecycle", "country", 2)
ICELAND = GridIntensity("ISL", 27.82, "Ember 2024", "lifecycle", "country", 2)

# The lecture's "7B": 14 GB in 16 bits, without any attention.
LECTURE_7B = ModelSpec(
    "Lecture7B", (Layer(1, dense=(Matrices("mlp", 7_000_000_000, 16),)),), embedding=None, unembedding=None
)
# The same where nothing but the number is known.
COUNTED_7B = ModelSpec("", (Layer(1, dense=(Matrices("all", 7_000_000_000, 16),)),), None, None, basis=Basis.PARAMETERS)


def rolled(deltas=None, *, seconds=10.0, histograms=None, tick=None, tick_histograms=None, window=WINDOW):
    """Return one window that saw ``deltas``, and a tick that saw ``tick``; None leaves either out."""
    windows = {} if deltas is None else {window: Interval(seconds, deltas, histograms or {})}
    return Rolled(windows, None if tick is None else Interval(1.0, tick, tick_histograms or {}))


def engine(
    deltas=None,
    *,
    seconds=10.0,
    histograms=None,
    tick=None,
    tick_histograms=None,
    counters=None,
    gauges=None,
    cache_config=None,
    server="a",
    model="m",
    name="0",
    spec=None,
    version=None,
    window=WINDOW,
    flow=None,
    flow_tick=None,
    stalled=None,
    served_model=None,
    unknown=None,
    work=None,
    work_tick=None,
):
    """Return an engine; its counters read as high as the window's increase unless they are given.

    ``flow`` is what arrived and was aborted in the window, ``flow_tick`` since the last snapshot; ``work`` and
    ``work_tick`` likewise what the model's work cost; ``unknown`` is why its model is not known.
    """
    counters = {**(deltas or {}), **(tick or {})} if counters is None else counters
    reading = EngineReading(model, name, counters, gauges or {}, histograms or {}, cache_config or {})
    what = rolled(
        deltas, seconds=seconds, histograms=histograms, tick=tick, tick_histograms=tick_histograms, window=window
    )
    arrivals = rolled(flow, seconds=seconds, tick=flow_tick, window=window)
    costs = rolled(work, seconds=seconds, tick=work_tick, window=window)
    return Engine(
        server,
        reading,
        what,
        peaks(spec),
        version,
        arrivals,
        stalled,
        model=served_model,
        unknown_model=None if unknown is None else UnknownModel(unknown),
        work=costs,
    )


def serving(spec, *, tensor=1, pipeline=1, data=1, kv_bits=16.0, **more):
    """Return a model as a server runs it: on one GPU, with a cache of 16 bits."""
    return ServedModel(spec, Parallel(tensor, pipeline, data), kv_bits, **more)


def work(**amounts):
    """Return an account of work in which all is 0 but what is given, as ``flops_decode_16bit`` for its key."""
    given = {key.replace("_", "/"): float(amount) for key, amount in amounts.items()}
    assert given.keys() <= set(KEYS), given
    return dict.fromkeys(KEYS, 0.0) | given


def peaks(spec):
    """Return what a GPU of the table can do, of none what nobody knows."""
    return Peaks() if spec is None else Peaks(dict(spec.peaks), spec.memory_bandwidth, "table", "table", spec.gpu)


def gpu(
    joules=None,
    *,
    seconds=10.0,
    tick=None,
    uuid="GPU-0",
    index=0,
    name=H100.nvml_names[0],
    profile=None,
    **reading,
):
    """Return a GPU that used ``joules`` over the window, and ``tick`` joules since the last snapshot."""
    counted = joules if joules is not None else tick
    energy = None if counted is None else 1e6 + counted
    history = rolled(
        None if joules is None else {"energy_joules": joules},
        seconds=seconds,
        tick=None if tick is None else {"energy_joules": tick, "measured_joules": tick},
    )
    watched = rolled(profile, seconds=seconds)
    return Gpu(
        GpuReading(uuid, index, name, energy, **reading),
        history,
        H100,
        watched,
        "a",
        history.tick,
        energy_method="" if energy is None else "counter",
        energy_bases=() if energy is None else ("measured",),
    )


def rented(price):
    """Return the plan of a server that rents its GPUs at a price per hour."""
    return CostPlan(Quote(price, "configured"))


def deployment(
    *engines,
    gpus=(),
    gpu_count=None,
    price=None,
    cost=None,
    server="a",
    model="m",
    name="0",
    serving=None,
    spent=None,
    spent_tick=None,
    **more,
):
    """Return a server with its engines and GPUs; ``price`` is of one GPU per hour.

    ``spent`` are the seconds by state in the window of ten seconds, ``spent_tick`` those since the last snapshot.
    """
    if cost is None:
        cost = CostPlan() if price is None else rented(price)
    time = rolled(spent, tick=spent_tick)
    return Deployment(
        server, model, name, engines, tuple(gpus), gpu_count, cost, time=time, serving_gpus=serving, **more
    )


def finished(output_tokens=11, *, ttft=0.1, decode=1.0, e2e=None, origin="plugin", arrival=0.0, reason="stop", **more):
    """Return a finished request that waited ``ttft`` for its first token and took ``decode`` for all others."""
    e2e = (ttft or 0.0) + (decode or 0.0) if e2e is None else e2e
    return FinishedRequest(origin, arrival, e2e, output_tokens, ttft=ttft, decode=decode, finish_reason=reason, **more)


def records(time, *requests, wall=None, **more):
    """Return what a source of records received by a moment; its wall clock shows the same as the other unless given."""
    return RecordsReading(time, time if wall is None else wall, tuple(requests), **more)


def slo(name="chat", *, target=0.9, model="*", policy=None, **thresholds):
    """Return an SLO with these thresholds in seconds; ``policy`` is what differs from the default."""
    return Slo(name, thresholds, target, model, Policy(**(policy or {})))


def served(deltas=None, *, seconds=10.0, tick=None, server="a", model="m", name="0", window=WINDOW, **more):
    """Return what records say of an engine, of one window that saw ``deltas``."""
    return Served(server, model, name, rolled(deltas, seconds=seconds, tick=tick, window=window), **more)


def verdicts(name="chat", *, good=0, bad=0, unknown=0, tokens=0, **more):
    """Return the counters of an SLO's verdicts, and of the records that they are of."""
    prefix = f"slo/{name}/"
    return {
        "finished": float(good + bad + unknown),
        f"{prefix}good": float(good),
        f"{prefix}bad": float(bad),
        f"{prefix}good_tokens": float(tokens),
        **({f"{prefix}unknown/inter_token": float(unknown)} if unknown else {}),
        **more,
    }


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
