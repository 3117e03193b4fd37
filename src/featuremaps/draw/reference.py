"""Objectives that look to another picture: to be the same as it in a layer, or more of what it is."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from featuremaps.draw.model_view import Responses
from featuremaps.draw.objective import Ground, Objective, RowValues, along
from featuremaps.errors import OptionError


@dataclass(frozen=True, eq=False)
class Match(Objective):
    """The same as another picture has in a layer: minus the squared distance of the maps, as a share of theirs.

    `reference` is a model input (batch of one, preprocessed), of any size that gives maps of the same size.
    """

    layer: str
    reference: Tensor
    name: str = ""
    maps: Tensor | None = field(default=None, repr=False)

    def _label(self) -> str:
        return f"{self.layer} as in the reference"

    def values(self, looked: Responses) -> RowValues:
        """Minus the relative squared distance."""
        drawn, maps = looked.maps[self.layer], self._reference()
        if drawn.shape[1:] != maps.shape[1:]:
            drawn = interpolate(drawn, maps.shape[2:], mode="bilinear", align_corners=False)
        return -(drawn - maps).square().sum((1, 2, 3)) / maps.square().sum().clamp_min(1e-12)

    def grounded(self, ground: Ground) -> "Match":
        """With the reference's own maps."""
        assert ground.look is not None
        with torch.no_grad():
            return replace(self, maps=ground.look(self.reference).maps[self.layer].detach())

    def _reference(self) -> Tensor:
        if self.maps is None:
            raise OptionError(f"{self.label}: the reference has not been looked at; draw it with scope.draw.")
        return self.maps


@dataclass(frozen=True, eq=False)
class Caricature(Match):
    """More of what another picture has in a layer: the mean of (a·r) · max(0.1, cos(a, r))^sharpness over positions.

    r is the reference's activation at the same place, a that of the drawing (Olah et al. 2018).
    """

    sharpness: float = 1.0

    def _label(self) -> str:
        return f"caricature in {self.layer}"

    def values(self, looked: Responses) -> RowValues:
        """The mean over positions, in units of the reference's own mean square."""
        drawn, maps = looked.maps[self.layer], self._reference()
        if drawn.shape[2:] != maps.shape[2:]:
            maps = interpolate(maps, drawn.shape[2:], mode="bilinear", align_corners=False)
        return along(drawn, maps, self.sharpness).mean((1, 2)) / maps.square().sum(1).mean().clamp_min(1e-12)
