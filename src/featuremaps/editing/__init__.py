"""Edits of a model: what it says without a channel, without a direction, or with other weights."""
