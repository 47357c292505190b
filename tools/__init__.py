"""Makes what is committed. Run by hand or by make; services never import it, and it is not in the wheel."""
