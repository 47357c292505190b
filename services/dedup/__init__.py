"""The dedup service: finds near-duplicates and stories in one fixed order, with state that survives a restart."""
