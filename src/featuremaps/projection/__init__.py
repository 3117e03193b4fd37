"""Projecting an activation back to the picture, and the pictures that come of it."""
