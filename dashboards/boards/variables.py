"""The variables that every board has, so that a link from board to board keeps what was chosen."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import dashboard

from boards.queries import DATASOURCE

_PLACE = 'cluster=~"$cluster",namespace=~"$namespace"'
_MODEL = f'{_PLACE},model_name=~"$model"'

_QUERIES = {
    "cluster": ("Cluster", "label_values(pentameter_build_info, cluster)"),
    "namespace": ("Namespace", 'label_values(pentameter_build_info{cluster=~"$cluster"}, namespace)'),
    "model": ("Model", f"label_values(pentameter_window_coverage_seconds{{{_PLACE}}}, model_name)"),
    "engine": ("Engine", f"label_values(pentameter_window_coverage_seconds{{{_MODEL}}}, engine)"),
    "slo": ("SLO", f"label_values(pentameter_slo_target_ratio{{{_MODEL}}}, slo)"),
    "instance": ("Replica", f"label_values(pentameter_window_coverage_seconds{{{_MODEL}}}, instance)"),
}
_WINDOW = f"label_values(pentameter_window_coverage_seconds{{{_MODEL}}}, window)"

NAMES = ("datasource", *_QUERIES, "window")

Variable = dashboards.DatasourceVariable | dashboards.QueryVariable


def variables() -> list[Variable]:
    """Return the variables; ``.*`` chooses all of a label, those series too that lack it, such as a cluster."""
    made: list[Variable] = [dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus")]
    made += [_of_all(name, label, query) for name, (label, query) in _QUERIES.items()]
    return [*made, _window()]


def _of_all(name: str, label: str, query: str) -> dashboards.QueryVariable:
    everything = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        _query(name, label, query).multi(multi=True).include_all(include_all=True).all_value(".*").current(everything)
    )


def _window() -> dashboards.QueryVariable:
    """Return the variable of the rolling window, which figures carry as a label and rates are taken over."""
    usual = dashboard.VariableOption(selected=True, text="5m", value="5m")
    return _query("window", "Window", _WINDOW).multi(multi=False).include_all(include_all=False).current(usual)


def _query(name: str, label: str, query: str) -> dashboards.QueryVariable:
    return (
        dashboards.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name, "qryType": 1})
        .definition(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.NATURAL_ASC)
    )
