"""Pictures of the dashboards without a Grafana: their panels, drawn by Grafana's own components in Chromium."""
