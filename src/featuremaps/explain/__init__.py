"""Explaining pictures: what a user asks for, one record per batch, every formula on it, and the results."""
