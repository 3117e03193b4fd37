"""Figures of the answers, by matplotlib."""
