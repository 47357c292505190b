"""Services that do harm on purpose. They test the oracle."""
