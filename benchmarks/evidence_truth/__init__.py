"""Which measures predict the truth, on models whose truth is known: see `run.py`."""
