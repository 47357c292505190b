"""What two or more services use, free of news knowledge."""
