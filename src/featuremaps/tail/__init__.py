"""The tail: a model run from one layer on, for edits of that layer's output."""

from featuremaps.tail.tail import Tail, Way

__all__ = ["Tail", "Way"]
