"""Tools make what is committed: run by hand or by make, never imported by services."""
