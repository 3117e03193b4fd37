"""What formulas take and give: the shapes of their tensors, and the functions among their needs."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from featuremaps.rules import Rule

Maps = Float[Tensor, "batch channel height width"]
Map = Float[Tensor, "batch height width"]
SpatialMaps = Float[Tensor, "batch channel *places"]
SpatialMap = Float[Tensor, "batch *places"]
Inputs = Float[Tensor, "batch colour *space"]
PixelMap = Float[Tensor, "batch 1 *space"]
Score = Callable[[Tensor], Tensor]
Propagate = Callable[[Rule], Tensor]
Remark = Callable[[str, Tensor], None]

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
"""How torch calls linear interpolation along so many axes."""
