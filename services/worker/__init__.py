"""Runs the stages, or some consecutive stages, on faust."""
