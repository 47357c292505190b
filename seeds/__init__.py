"""The five seed articles, and the feeds file that a new home begins with."""
