"""Ways to run Dragoman."""
