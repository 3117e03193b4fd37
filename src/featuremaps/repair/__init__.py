"""Repair: a shortcut taken out of a model, by the way that helps the worst group most, with what it cost."""
