"""`make eval`: runs every stage on every available labelled set."""
