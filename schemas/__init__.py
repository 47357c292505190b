"""The records that services exchange, and the topics for them. Nothing else belongs here."""
