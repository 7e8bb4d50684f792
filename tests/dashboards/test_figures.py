"""The figures of several boards, asked of Prometheus's own engine (promtool) on series of known values."""

import json
import shutil
import subprocess

import pytest

import board_files
from boards import figures, fleet_gpus, kv_cache, many
from boards.kit import select

PLACE = 'cluster="c",namespace="n",instance="{}",server="s",model_name="m"'
GIVEN = dict.fromkeys(("cluster", "namespace", "instance", "model", "engine", "slo"), ".*") | {
    "window": "5m",
    "__range": "1m",
}


def series(name, values, instance="a", **labels):
    """Return an input series of promtool, one value every 10 s."""
    inside = ",".join([PLACE.format(instance), *(f'{label}="{value}"' for label, value in labels.items())])
    return {"series": f"{name}{{{inside}}}", "values": values}


def tokens(values, instance="a", phase="generation"):
    return series("pentameter_tokens_total", values, instance, engine="0", phase=phase)


@pytest.fixture
def expect(tmp_path):
    """Return a function that raises unless an expression has these values, by their labels, after a minute."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")

    def check(expression, given, expected):
        # promtool compares to the last bit.
        asked = {
            "expr": f"round(({board_files.filled(expression, GIVEN)}) * 1e6)",
            "eval_time": "1m",
            "exp_samples": [{"labels": labels, "value": round(value * 1e6)} for labels, value in expected.items()],
        }
        test = {"interval": "10s", "input_series": given, "promql_expr_test": [asked]}
        path = tmp_path / "test.yml"
        path.write_text(json.dumps({"rule_files": [], "evaluation_interval": "10s", "tests": [test]}))
        done = subprocess.run([program, "test", "rules", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return check


def test_energy_per_token_is_right_before_a_whole_window_was_scraped(expect):
    joules = series("pentameter_energy_joules_total", "70000+4000x10", component="gpu")

    expect(figures.energy_per_output_token(), [joules, tokens("900000+10000x10")], {'{model_name="m"}': 0.4})


def test_energy_per_token_leaves_out_the_tokens_of_a_server_whose_energy_is_unknown(expect):
    joules = series("pentameter_energy_joules_total", "0+4000x10", component="gpu")

    expect(
        figures.energy_per_output_token(),
        [joules, tokens("0+10000x10"), tokens("0+90000x10", "b")],
        {'{model_name="m"}': 0.4},
    )


def test_energy_per_token_is_right_while_a_server_does_not_answer(expect):
    silent = "0+{}x3 stale"
    given = [
        series("pentameter_energy_joules_total", "0+4000x10", component="gpu"),
        series("pentameter_energy_joules_total", silent.format(4000), "b", component="gpu"),
        tokens("0+10000x10"),
        tokens(silent.format(10000), "b"),
    ]

    expect(figures.energy_per_output_token(), given, {'{model_name="m"}': 0.4})


def test_carbon_per_token_leaves_out_a_server_of_which_only_the_embodied_part_is_known(expect):
    def grams(kind, instance):
        return series("pentameter_carbon_grams_total", "0+2x10", instance, kind=kind)

    generated = [tokens("0+100000x10"), tokens("0+100000x10", "b")]
    expect(
        figures.carbon_per_million_output(),
        [grams("operational", "a"), grams("embodied", "a"), grams("embodied", "b"), *generated],
        {'{model_name="m"}': 40},
    )


def test_tokens_per_step_are_of_all_engines_together(expect):
    def steps(values, instance):
        return series("pentameter_engine_steps_total", values, instance, engine="0")

    expect(
        figures.tokens_per_step(),
        [steps("0+100x10", "a"), tokens("0+3000x10"), steps("0+300x10", "b"), tokens("0+1000x10", "b")],
        {'{model_name="m"}': 10},
    )


def verdicts(model, good, bad):
    name = 'pentameter_slo_requests_total{{model_name="{}",slo="fast",verdict="{}"}}'
    return [
        {"series": name.format(model, "good"), "values": good},
        {"series": name.format(model, "bad"), "values": bad},
        {"series": f'pentameter_slo_target_ratio{{model_name="{model}",slo="fast"}}', "values": "0.9x10"},
    ]


def test_the_worst_model_is_shown_as_keeping_the_slo_where_all_of_them_do(expect):
    kept, missed = figures.worst_attainment()
    given = [*verdicts("m", "0+99x10", "0+1x10"), *verdicts("k", "0+95x10", "0+5x10")]

    expect(kept, given, {'{slo="fast"}': 0.95})
    expect(missed, given, {})


def test_the_worst_model_is_shown_as_missing_the_slo_where_one_does(expect):
    kept, missed = figures.worst_attainment()
    given = [*verdicts("m", "0+99x10", "0+1x10"), *verdicts("k", "0+80x10", "0+20x10")]

    expect(kept, given, {})
    expect(missed, given, {'{slo="fast"}': 0.8})


def test_capacities_are_added_up_once_that_of_every_replica_is_known(expect):
    def replica(instance, known):
        served = series("pentameter_goodput_requests_per_second", "1x10", instance, engine="0", slo="fast", window="5m")
        name = "pentameter_goodput_capacity_requests_per_second"
        limit = series(name, "4x10", instance, engine="0", slo="fast", bound="estimate")
        return [served, limit] if known else [served]

    expect(figures.capacity("estimate"), [*replica("a", known=True), *replica("b", known=False)], {})
    expect(
        figures.capacity("estimate"),
        [*replica("a", known=True), *replica("b", known=True)],
        {'{model_name="m", slo="fast"}': 8},
    )


def test_the_kv_cache_in_use_weighs_engines_by_the_tokens_that_they_hold(expect):
    def engine(instance, usage, capacity):
        return [
            series("pentameter_kv_cache_usage_ratio", f"{usage}x10", instance, engine="0"),
            series("pentameter_kv_cache_capacity_tokens", f"{capacity}x10", instance, engine="0"),
        ]

    given = [*engine("a", 0.9, 1000), *engine("b", 0.1, 3000)]

    expect(figures.kv_cache_in_use(), given, {'{model_name="m"}': 0.3})
    expect(figures.fullest_kv_cache(), given, {'{model_name="m"}': 0.9})


def test_prompts_from_the_cache_leave_out_a_server_whose_model_is_unknown(expect):
    saved = series("pentameter_prefix_cache_saved_tokens_total", "0+20x10", engine="0")
    prompts = [tokens("0+100x10", phase="prompt"), tokens("0+900x10", "b", phase="prompt")]

    expect(kv_cache.hit_ratio(), [saved, *prompts], {'{model_name="m"}': 0.2})


def per_token(joules, instance):
    return series(
        "pentameter_energy_per_token_joules", f"{joules}x10", instance, engine="0", window="5m", scope="gpu", tokens="g"
    )


def speed(tokens_per_second, instance):
    labels = {"engine": "0", "window": "5m", "phase": "generation"}
    return series("pentameter_tokens_per_second", f"{tokens_per_second}x10", instance, **labels)


TOGETHER = many.together(select("pentameter_energy_per_token_joules", scope="gpu"), many.TOKENS, "model_name")


def test_figures_of_servers_put_together_are_the_sum_of_the_numerators_over_that_of_the_denominators(expect):
    # (0.5 J x 100 + 2 J x 300) / 400 tokens: the mean of the two would be 1.25.
    given = [per_token(0.5, "a"), speed(100, "a"), per_token(2, "b"), speed(300, "b")]

    expect(TOGETHER, given, {'{model_name="m"}': 1.625})


def test_a_server_whose_figure_is_unknown_has_no_weight(expect):
    given = [per_token(0.5, "a"), speed(100, "a"), speed(300, "b")]

    expect(TOGETHER, given, {'{model_name="m"}': 0.5})


def test_of_many_lines_those_are_shown_that_rose_highest(expect):
    busy = [
        series("pentameter_kv_cache_usage_ratio", f"0 0.{number} 0x10", f"i{number}", engine="0")
        for number in range(10, 23)
    ]
    usage = select("pentameter_kv_cache_usage_ratio")
    shown = many.foremost(usage, usage, "instance")
    labels = 'cluster="c",engine="0",instance="i{}",model_name="m",namespace="n",server="s"'

    expect(shown, busy, {f"{{{labels.format(n)}}}": 0 for n in range(11, 23)})


def gpu(name, instance, server):
    labels = f'cluster="c",namespace="n",instance="{instance}",gpu="{name}",server="{server}"'
    return {"series": f"pentameter_gpu_info{{{labels}}}", "values": "1x10"}


def test_a_gpu_that_a_server_of_another_exporter_uses_is_not_without_a_server(expect):
    given = [gpu("GPU-1", "a", "s"), gpu("GPU-2", "a", ""), gpu("GPU-2", "b", "s"), gpu("GPU-3", "a", "")]
    alone = '{cluster="c",gpu="GPU-3",instance="a",namespace="n"}'

    expect(fleet_gpus.UNCLAIMED, given, {alone: 1})
