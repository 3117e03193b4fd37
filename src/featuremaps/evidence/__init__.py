"""Evidence: which explanation deserves belief, on this model and these pictures."""
