"""Entry point of `python -m services.producer`."""

from services.common.process import run_process
from services.producer.app import main

run_process(main)
