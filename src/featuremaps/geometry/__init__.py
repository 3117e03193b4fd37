"""Stride, receptive field and place in the picture of every tensor of a model, found by running it.

`Dataflow` watches one forward pass operation by operation; `Field` is what it knows about a tensor.
"""

from featuremaps.geometry.dataflow import Dataflow, Step, Trace
from featuremaps.geometry.fields import Dim, Field, Reach, Run

__all__ = ["Dataflow", "Dim", "Field", "Reach", "Run", "Step", "Trace"]
