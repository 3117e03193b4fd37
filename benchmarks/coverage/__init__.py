"""What works on which architecture: every kind of answer tried on some 280 models (`make coverage-table`)."""
