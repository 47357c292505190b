"""Asks a real Prometheus what every panel and every rule shows of a real stack."""
