"""A pass over a whole dataset, what it leaves on disk, and the questions that can be asked of it."""
