"""Makes what derives from others in the chart: copies of dashboards and rules, the schema, the README."""
