"""Grafana's dashboards, made from Python: `python -m deploy.grafana` writes dashboards/*.json.

Every expression in them is run against a real Prometheus by tests/deploy/test_dashboards.py.
"""
