"""The questions that a stored survey answers."""
