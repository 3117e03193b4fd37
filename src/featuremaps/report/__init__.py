"""A report: data that says what was found, and a viewer that shows it, written into one HTML file."""
