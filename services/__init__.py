"""Dragoman's services; each is a folder, and none imports another but the worker and the CLI."""

import os

__version__ = "0.1.0"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Before numpy is imported anywhere: a process uses one core, and a second BLAS thread that waits for a busy one made
an embedding cost five times its CPU (docs/adr/0007)."""
