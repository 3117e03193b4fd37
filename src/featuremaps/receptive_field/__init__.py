"""Stride, receptive field and place in the picture of every tensor of a model, found by running it.

`Dataflow` watches one forward pass operation by operation; `Field` is what it knows about a tensor.
"""

from featuremaps.receptive_field.field_algebra import Dim, Field, Reach, Run
from featuremaps.receptive_field.trace import Dataflow, Step, Trace

__all__ = ["Dataflow", "Dim", "Field", "Reach", "Run", "Step", "Trace"]
