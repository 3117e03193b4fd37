"""Small worlds with planted shortcuts and without, and what a search finds in them: see `__main__.py`."""
