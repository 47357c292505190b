"""All ways into the pipeline: sources, identity, the durable store, and the replay onto Kafka."""
