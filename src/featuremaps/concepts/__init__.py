"""Concepts: what the channels of a layer do together, found by factorisation."""
