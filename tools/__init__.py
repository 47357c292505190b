"""Makes committed files. Run it by hand or by make. Services never import it, and it is not in the wheel."""
