"""The tail: a model run from one layer on, for edits of that layer's output."""

from featuremaps.tail.channel_ablation import Without
from featuremaps.tail.tail import Tail, TailKind

__all__ = ["Tail", "TailKind", "Without"]
