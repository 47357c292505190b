"""`python -m services.archive`."""

from services.archive.app import main

if __name__ == "__main__":
    main()
