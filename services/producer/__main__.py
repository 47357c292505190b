"""Entry point of `python -m services.producer`."""

import sys

from services.producer.app import main

sys.exit(main())
