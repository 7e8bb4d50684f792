"""Grafana dashboards as code: each module builds one board from the catalogue of metrics."""

import warnings
from importlib import import_module

with warnings.catch_warnings():
    # Importing them warns that the newer format is preferred, which Grafana does not take from provisioned files.
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    for _module in ("builders.dashboard", "models.dashboardv2beta1"):
        import_module(f"grafana_foundation_sdk.{_module}")
