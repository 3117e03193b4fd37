"""Shortcuts: what a class rests on that is not the class, found and proven by intervention."""
