"""What of a model's output is explained: a class, a box, a region, a similarity; each bound to a batch."""
