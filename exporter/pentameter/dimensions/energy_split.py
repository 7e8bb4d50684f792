"""Energy by phase: what prefill, decode and idleness take of the measured joules (lecture: "Prefill vs Decode")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import World

PHASE_ENERGY = Metric(
    "pentameter_phase_energy_joules_total",
    "counter",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy of the server's GPUs by phase, basis=model: measured in all, split by a fit. phase=prefill, decode; "
    "phase=idle: what flows without any work, all the time, not only while nothing runs; phase=unattributed: what was "
    "used while the split was not known (pentameter_energy_split_known). Together they are all energy up to the last "
    "closed window.",
    "joules of a window x fitted joules of the phase / fitted joules of the window; fitted by non-negative least "
    "squares over the windows of the last hour: joules = idle watts x seconds + s x steps + p x computed prompt tokens "
    "+ d x decode tokens + c x (share of the cache in use x steps)",
    (*ENGINE, "phase", "basis"),
)
PER_PHASE_TOKEN = Metric(
    "pentameter_energy_per_phase_token_joules",
    "gauge",
    Unit.JOULES,
    Dimension.ENERGY,
    "Energy per computed prompt token (phase=prefill) and per decode token (phase=decode) beyond idle power, the mean "
    "over the last hour at most, not the cost of one more token. basis=model: by the split's fit. Absent where it is "
    "not known: its 95 % interval is wider than 4 % to either side, or the fit is rejected.",
    "fitted joules of the phase / its tokens, see pentameter_phase_energy_joules_total",
    (*ENGINE, "phase", "basis"),
)
PER_PHASE_TOKEN_ERROR = Metric(
    "pentameter_energy_per_phase_token_error_joules",
    "gauge",
    Unit.JOULES,
    Dimension.ENERGY,
    "Standard error of pentameter_energy_per_phase_token_joules. basis=model: by the split's fit.",
    "jackknife over ten stretches of the last hour, each left out once",
    (*ENGINE, "phase", "basis"),
)
IDLE_POWER = Metric(
    "pentameter_energy_split_idle_watts",
    "gauge",
    Unit.WATTS,
    Dimension.ENERGY,
    "Power of the server's GPUs without any work. basis=model: by the split's fit. Absent where it is not "
    "known: its 95 % interval is wider than 5 % to either side, or the fit is rejected.",
    "the first coefficient of the fit, see pentameter_phase_energy_joules_total",
    (*ENGINE, "basis"),
)
FIT = Metric(
    "pentameter_energy_split_fit_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ENERGY,
    "How well the split's model meets the energy of the last hour's windows, R^2; told for a fit that is rejected too. "
    "A high one alone proves nothing: see pentameter_energy_split_condition.",
    "1 - variance of the residuals / variance of the windows' joules",
    ENGINE,
)
CONDITION = Metric(
    "pentameter_energy_split_condition",
    "gauge",
    Unit.NONE,
    Dimension.ENERGY,
    "Scaled condition number of the split's regression: above 60 idle time, steps and tokens went up and down "
    "together, and nothing is told.",
    "greatest / smallest singular value of the windows' features, each scaled to length 1",
    ENGINE,
)
KNOWN = Metric(
    "pentameter_energy_split_known",
    "gauge",
    Unit.NONE,
    Dimension.ENERGY,
    "1 while energy is split by phase, else 0 with the reason: few_windows (20 minutes are not yet seen, or pages are "
    "more than 5 s apart), ill_conditioned (see pentameter_energy_split_condition), poor_fit (R^2 below 0.98), "
    "uncertain (a part's 95 % interval is too wide).",
    "1 where every part of the fit is known, else 0",
    (*ENGINE, "reason"),
)
METRICS = (PHASE_ENERGY, PER_PHASE_TOKEN, PER_PHASE_TOKEN_ERROR, IDLE_POWER, FIT, CONDITION, KNOWN)

MODEL = "model"


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        split, labels = deployment.energy_split, deployment.labels
        if split is None:
            continue
        yield KNOWN(0.0 if split.silent else 1.0, *labels, split.silent)
        fit = split.fit
        if fit is None:
            continue
        yield FIT(fit.r2, *labels)
        yield CONDITION(fit.condition, *labels)
        if fit.idle_watts is not None:
            yield IDLE_POWER(fit.idle_watts, *labels, MODEL)
        for phase, (joules, error) in fit.joules_per_token.items():
            yield PER_PHASE_TOKEN(joules, *labels, phase, MODEL)
            yield PER_PHASE_TOKEN_ERROR(error, *labels, phase, MODEL)


def increments(world: World) -> Iterator[Sample]:
    """Yield what this dimension's counters grow by."""
    for deployment in world.deployments:
        if deployment.energy_split is not None:
            for phase, joules in deployment.energy_split.grown.items():
                yield PHASE_ENERGY(joules, *deployment.labels, phase, MODEL)
