"""`python -m services.dedup`."""

from services.common.process import run_process
from services.dedup.app import main

run_process(main)
