"""Collects feeds: the feeds file, the schedule, the polls, and the state that is kept for each feed."""
