"""`make eval`: every stage on every labelled set that is there."""
