"""Stride, receptive field and place in the picture of every tensor of a model, found by running it.

`Dataflow` watches one forward pass operation by operation; `Field` is what it knows about a tensor.
"""

from featuremaps.receptive_field.field_algebra import Dim, Field, Reach, Run
from featuremaps.receptive_field.trace import Dataflow, Step, Trace
from featuremaps.receptive_field.value_ranges import UNBOUNDED, Range

__all__ = ["UNBOUNDED", "Dataflow", "Dim", "Field", "Range", "Reach", "Run", "Step", "Trace"]
