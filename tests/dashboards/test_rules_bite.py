"""Each rule finds what it is there to find: a good dashboard passes all, and one fault is told by one rule."""

import copy

import pytest

import board_files
import board_rules
import query_rules
from board_files import Query

PLACE = 'cluster=~"$cluster",namespace=~"$namespace"'
CHOSEN = f'{PLACE},model_name=~"$model",engine=~"$engine|"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def filter_variable(name):
    return {
        "name": name,
        "label": name.title(),
        "type": "query",
        "refresh": 2,
        "datasource": SOURCE,
        "includeAll": True,
        "allValue": ".*",
        "query": {"query": f"label_values(pentameter_build_info, {name})"},
    }


def good_board():
    target = {"refId": "A", "expr": f"pentameter_kv_cache_usage_ratio{{{CHOSEN}}}", "datasource": SOURCE}
    return {
        "uid": "pentameter-good",
        "title": "Pentameter / Good",
        "tags": ["pentameter"],
        "schemaVersion": 42,
        "editable": False,
        "links": [{"type": "dashboards", "tags": ["pentameter"], "includeVars": True, "keepTime": True, "url": ""}],
        "annotations": {
            "list": [{"name": "Alerts", "expr": 'ALERTS{alertname=~"Pentameter.*"}', "datasource": SOURCE}]
        },
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                *(filter_variable(name) for name in ("cluster", "namespace", "model", "engine")),
            ]
        },
        "panels": [
            {"id": 1, "type": "row", "title": "Row", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}, "panels": []},
            {
                "id": 2,
                "type": "stat",
                "title": "KV cache",
                "description": "How full the cache is: blocks in use / blocks.",
                "datasource": SOURCE,
                "gridPos": {"x": 0, "y": 1, "w": 12, "h": 4},
                "fieldConfig": {"defaults": {"unit": "percentunit", "noValue": "needs traffic"}, "overrides": []},
                "targets": [target],
            },
        ],
    }


def with_second_panel(board, **changes):
    panel = copy.deepcopy(board["panels"][1])
    panel |= {"id": 3, "gridPos": {"x": 12, "y": 1, "w": 12, "h": 4}} | changes
    board["panels"].append(panel)


BOARD_FAULTS = {
    "template_datasource": lambda b: b["templating"]["list"][0].update(label="Source"),
    "variables_reload": lambda b: b["templating"]["list"][1].update(refresh=1),
    "filters_allow_absence": lambda b: b["templating"]["list"][2].update(allValue=".+"),
    "variables_used_exist": lambda b: b["templating"]["list"].append({"name": "other", "type": "custom", "query": "a"}),
    "panels_use_the_datasource": lambda b: b["panels"][1].update(datasource={"uid": "abc"}),
    "panels_are_explained": lambda b: b["panels"][1].update(description="KV cache"),
    "panels_say_why_they_are_empty": lambda b: b["panels"][1]["fieldConfig"]["defaults"].update(noValue="No data"),
    "panels_have_units": lambda b: b["panels"][1]["fieldConfig"]["defaults"].pop("unit"),
    "panels_have_queries": lambda b: b["panels"][1].update(
        targets=[{"refId": "A", "expr": "", "datasource": SOURCE, "was": CHOSEN}]
    ),
    "ids_are_unique": lambda b: with_second_panel(b, id=2, gridPos={"x": 12, "y": 1, "w": 12, "h": 4}),
    "queries_have_names": lambda b: b["panels"][1]["targets"].append(b["panels"][1]["targets"][0]),
    "panels_do_not_overlap": lambda b: with_second_panel(b, gridPos={"x": 11, "y": 4, "w": 12, "h": 4}),
    "board_is_read_only": lambda b: b.update(editable=True),
    "board_has_an_identity": lambda b: b.update(schemaVersion=36),
    "links_lead_somewhere": lambda b: b["panels"][1].update(links=[{"url": "/d/pentameter-nowhere/x"}]),
    "boards_are_linked": lambda b: b["links"][0].update(keepTime=False),
    "alerts_are_shown": lambda b: b["annotations"].update(list=[]),
    "types_are_drawn_without_plugins": lambda b: b["panels"][1].update(type="graph"),
}

RATE = f"rate(pentameter_preemptions_total{{{CHOSEN}}}[$__rate_interval])"
P95 = f'pentameter_ttft_seconds{{{CHOSEN},window="$window",stat="p95"}}'
TOKENS = f'pentameter_tokens_per_second{{{CHOSEN},window="$window"}}'
STEPS = f"rate(pentameter_engine_steps_total{{{CHOSEN}}}[$window])"
WATCHED = f"pentameter_engine_steps_total{{{CHOSEN}}} offset $window"
QUERY_FAULTS = {
    "metrics_exist": f"pentameter_time{{{PLACE}}}",
    "labels_exist": f'pentameter_kv_cache_usage_ratio{{{CHOSEN},gpu="0"}}',
    "groupings_and_legends_exist": f"sum by (adapter) ({RATE})",
    "filters_are_applied": "pentameter_requests_running",
    "alternatives_are_told_apart": f'pentameter_ttft_seconds{{{CHOSEN},window="$window"}}',
    "counters_are_rated": f"pentameter_preemptions_total{{{CHOSEN}}}",
    "gauges_are_not_rated": f"rate(pentameter_requests_running{{{CHOSEN}}}[$__rate_interval])",
    "rates_follow_the_step": RATE.replace("$__rate_interval", "5m"),
    "rates_and_rolling_figures_do_not_mix": f"{TOKENS} / {STEPS}",
    "quantiles_are_of_histograms": f"quantile(0.95, {P95})",
    "ratios_are_not_averaged": f"avg(pentameter_kv_cache_usage_ratio{{{CHOSEN}}})",
}


def told(rules, subject):
    return [rule.__name__ for rule in rules if rule(subject)]


def graph(expr, legend="{{model_name}}"):
    return Query("pentameter-good", "Panel / A", expr, legend, drawn="timeseries")


def test_a_good_board_keeps_every_rule():
    assert told(board_rules.RULES, good_board()) == []


@pytest.mark.parametrize("rule", BOARD_FAULTS)
def test_a_fault_of_a_board_is_told_by_its_rule_alone(rule):
    board = good_board()
    BOARD_FAULTS[rule](board)

    assert told(board_rules.RULES, board) == [rule]


def test_there_is_a_fault_for_every_rule():
    assert [rule.__name__ for rule in board_rules.RULES] == list(BOARD_FAULTS)
    assert [rule.__name__ for rule in query_rules.RULES] == [*QUERY_FAULTS, "legends_are_plain"]


@pytest.mark.parametrize(
    "expr",
    [
        RATE,
        P95,
        f"{TOKENS} / ({STEPS} and {WATCHED})",
        f"histogram_quantile(0.95, sum by (le) (rate(pentameter_request_ttft_seconds_bucket{{{CHOSEN}}}[$window])))",
        f"sum(pentameter_kv_cache_usage_ratio{{{CHOSEN}}} * pentameter_kv_cache_capacity_tokens{{{CHOSEN}}})",
        f"pentameter_requests_running{{{CHOSEN}}} and pentameter_preemptions_total{{{CHOSEN}}}",
        f"process_resident_memory_bytes * on (job, instance) group_left () pentameter_build_info{{{PLACE}}}",
    ],
)
def test_good_queries_keep_every_rule(expr):
    assert told(query_rules.RULES, graph(expr, "{{instance}}")) == []


@pytest.mark.parametrize("rule", QUERY_FAULTS)
def test_a_fault_of_a_query_is_told_by_its_rule_alone(rule):
    assert told(query_rules.RULES, graph(QUERY_FAULTS[rule], "plain")) == [rule]


@pytest.mark.parametrize("legend", ["", "__auto"])
def test_a_graph_without_a_legend_is_told(legend):
    assert told(query_rules.RULES, graph(P95, legend)) == ["legends_are_plain"]


def test_a_legend_with_a_label_that_no_series_has_is_told():
    assert told(query_rules.RULES, graph(P95, "{{gpu}}")) == ["groupings_and_legends_exist"]


def test_panels_in_collapsed_rows_are_looked_at_too():
    board = good_board()
    board["panels"][0]["panels"] = [board["panels"].pop() | {"title": ""}]

    assert told(board_rules.RULES, board) == ["panels_are_explained"]
    assert [query.expr for query in board_files.panel_queries(board)] == [
        f"pentameter_kv_cache_usage_ratio{{{CHOSEN}}}"
    ]
