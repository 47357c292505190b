"""Runs real Kafka and real Elasticsearch as local processes, without Docker.

errors → artifacts (download, verify) and java (find one) → plugin (analyzers), kafka, elasticsearch (configure) →
supervisor (run, restart, stop) → stack (`up` and `down`, the only module that the CLI calls).
"""
