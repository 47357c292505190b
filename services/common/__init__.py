"""Code that two or more services share. It knows nothing about news."""
