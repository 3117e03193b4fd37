"""What works on which architecture: every kind of answer tried on some two hundred models (`make coverage-table`)."""
