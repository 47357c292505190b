"""Runs a slice of the stages on faust."""
