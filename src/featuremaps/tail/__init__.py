"""The tail: a model run from one layer on, for edits of that layer's output."""

from featuremaps.tail.tail import Tail, Way
from featuremaps.tail.without import Without

__all__ = ["Tail", "Way", "Without"]
