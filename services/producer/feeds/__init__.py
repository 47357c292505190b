"""Collects feeds: the feeds file, when each feed is polled, what a poll brings, and what is remembered of it."""
