"""Records that travel between services, and the topics they travel on. Nothing else lives here."""
