"""Measures, a file per family; `MEASURES` walks this folder, so a new file is all that a new measure needs."""
