"""Objectives that look to another picture: to be the same as it in a layer, or more of what it is."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from featuremaps.draw.model_view import Responses
from featuremaps.draw.objective import Ground, Objective, Values, along
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

    @property
    def label(self) -> str:
        """`layer3 as in the reference`, unless it has a name."""
        return self.name or f"{self.layer} as in the reference"

    def values(self, looked: Responses) -> Values:
        """Minus the relative squared distance."""
        own, maps = looked.maps[self.layer], self._reference()
        if own.shape[1:] != maps.shape[1:]:
            own = interpolate(own, maps.shape[2:], mode="bilinear", align_corners=False)
        return -(own - maps).square().sum((1, 2, 3)) / maps.square().sum().clamp_min(1e-12)

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

    @property
    def label(self) -> str:
        """`caricature in layer3`, unless it has a name."""
        return self.name or f"caricature in {self.layer}"

    def values(self, looked: Responses) -> Values:
        """The mean over positions, in units of the reference's own mean square."""
        own, maps = looked.maps[self.layer], self._reference()
        if own.shape[2:] != maps.shape[2:]:
            maps = interpolate(maps, own.shape[2:], mode="bilinear", align_corners=False)
        return along(own, maps, self.sharpness).mean((1, 2)) / maps.square().sum(1).mean().clamp_min(1e-12)
