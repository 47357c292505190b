"""Dragoman's services, one folder each. Services must not import each other. Only the worker and the CLI may."""

import os

__version__ = "0.1.0"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Set before numpy is imported anywhere, because a process uses one core. A second BLAS thread that waited for a busy
thread made an embedding cost five times its CPU (docs/adr/0007)."""
