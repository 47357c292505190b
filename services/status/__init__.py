"""What runs, what is behind, and whether the books balance."""
