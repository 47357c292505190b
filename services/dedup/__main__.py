"""`python -m services.dedup`."""

from services.dedup.app import main

main()
