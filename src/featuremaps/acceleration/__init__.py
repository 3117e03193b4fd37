"""What makes many passes through one model cheaper: batch norms folded, and only the box that changed run again."""
