"""Feature maps: what each layer and each channel makes of a picture."""
