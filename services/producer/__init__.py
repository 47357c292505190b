"""Every way in: sources, identity, the durable store, and the replay onto Kafka."""
