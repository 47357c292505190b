"""The lane: near-duplicates and stories, in one order, with state that survives."""
