"""Measures the figures. Run it by make. Services never import it, and it is not in the wheel."""
