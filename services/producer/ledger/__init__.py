"""The one way onto Kafka: identity, outbox, confirmed messages and what was left out, in one SQLite file."""
