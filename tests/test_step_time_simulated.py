"""Time of prefill and decode on the simulated server, which knows what each step cost for what."""

from collections import Counter
from dataclasses import replace

import pytest

from pentameter.records import StepRow
from pentameter.simulator.presets import H100_8B, Scheduling
from pentameter.simulator.simulation import Simulation
from pentameter.simulator.vllm_objects import iteration_stats, scheduler_stats
from pentameter.step_time import StepTime
from pentameter.vllm_plugin_steps import StepLog

LONG_PROMPTS = replace(
    H100_8B,
    traffic=replace(
        H100_8B.traffic, prompt=replace(H100_8B.traffic.prompt, median=4000.0), low_rate=1.0, high_rate=4.0
    ),
    scheduling=Scheduling(max_num_batched_tokens=2048),
)


def watched(preset, seconds):
    """Return the simulated truth and what was found, as seconds by phase."""
    simulation, log, time, truth = Simulation(preset), StepLog(), StepTime(), Counter()
    costs, kv_bytes = preset.costs, preset.model.kv_bytes_per_token

    def observe(_engine, step):
        log.take(scheduler_stats(step), iteration_stats(step, 1.8e9), 1.8e9 + step.end)
        whole = step.end - step.start
        prompt_tokens = step.written_bytes / kv_bytes - step.decoded
        prefill = costs.per_prefill_token * prompt_tokens if step.decoded else whole
        truth.update(prefill=prefill, decode=whole - prefill)

    simulation.watch(observe)
    for tick in range(round(5 * seconds)):
        simulation.advance_to(tick / 5)
        rows = [StepRow(r[0] / 1e6, r[1] / 1e6, r[2], r[3], r[4], r[5] / 1e6, r[6]) for r in log.cut()["steps"]]
        time.take(rows, preset.scheduling.max_num_batched_tokens)
    time.take([StepRow(0.0, 0.0, 0, 0, 0, 0.0, 0)])  # the last steps wait for nobody
    return truth, time.totals


@pytest.mark.parametrize("preset", [H100_8B, LONG_PROMPTS], ids=["chat", "prompts of several steps"])
def test_the_share_of_the_input_is_the_simulations_own_within_two_percent(preset):
    truth, found = watched(preset, 150.0)
    assert found["unsplit"] == 0
    share = truth["prefill"] / truth.total()
    assert 0.05 < share < 0.95
    assert found["prefill"] / sum(found.values()) == pytest.approx(share, rel=0.02)
    assert sum(found.values()) == pytest.approx(truth.total(), rel=0.02)
