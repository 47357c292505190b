"""`python -m services.indexer`."""

from services.common.process import run_process
from services.indexer.app import main

run_process(main)
