"""Measures articles per second, CPU and memory of each stage, each service, the whole pipeline, and dedup at scale."""
