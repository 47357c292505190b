"""Breaks a real stack on purpose, class by class, and counts what was lost, doubled or decided differently.

`registry.py` has the decorator for a class of faults, and `faults/` has the classes. `campaign.py` runs rounds:
traffic, a fault, the wait until everything has arrived, and the oracle. The oracle (`evidence.py` reads, `verdict.py`
compares) only reads. It never sends anything again, because that would heal what was lost. `liars/` has services that
lose, double or forget on purpose: the oracle must find each of them.
"""
