"""The only way onto Kafka: identity, outbox, ledger and quarantine, with one SQLite file as their store."""
