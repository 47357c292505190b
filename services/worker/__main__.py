"""`python -m services.worker [--stages NAME,NAME]`."""

import argparse
from functools import partial

from services.common.process import run_process
from services.worker.app import main

parser = argparse.ArgumentParser(prog="python -m services.worker", description="Enrich articles from Kafka.")
parser.add_argument("--stages", help="consecutive stages to run, comma-separated (default: all)")
run_process(partial(main, parser.parse_args().stages))
