"""Replays files and archives onto Kafka, at a rate or in the time in which they happened."""
