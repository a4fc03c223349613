"""Whether the dashboards show something: `make dashboards` asks a real Prometheus beside a demo city."""
