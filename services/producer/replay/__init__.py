"""Replays files and archives onto Kafka, at a fixed rate or with the original time between articles."""
