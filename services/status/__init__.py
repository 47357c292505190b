"""Reads what runs, what is behind, and whether every article is accounted for."""
