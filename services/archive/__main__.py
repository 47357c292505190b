"""`python -m services.archive`."""

from services.archive.app import main
from services.common.process import run_process

if __name__ == "__main__":
    run_process(main)
