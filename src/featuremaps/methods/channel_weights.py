"""What formulas share: collapsing the channels of a layer into one map, by their sum or first principal component."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.methods.eigenpairs import leading_eigenpair
from featuremaps.methods.shapes import Maps, SpatialMap, SpatialMaps

NOISE = 1e-12
"""The share of the variance below which a component is rounding."""

Combine = Literal["sum", "principal"]


def combined(contributions: SpatialMaps, combine: Combine) -> SpatialMap:
    """What all channels contribute together.

    `"sum"` is what the papers do; `"principal"` keeps what varies most over the picture (eigen-smoothing), which
    suppresses scattered noise.
    """
    return contributions.sum(1) if combine == "sum" else principal_component(contributions)


def principal_component(maps: SpatialMaps) -> SpatialMap:
    """Each position's projection on the first principal component of the channels.

    Centred over the positions. The sign, which an eigendecomposition leaves open, is that of the correlation with
    the mean over the channels. The eigenvectors are those of the smaller Gram matrix, channels or positions.
    """
    batch, _, *places = maps.shape
    points, broken = centred_points(maps)
    if points.shape[1] <= points.shape[2]:
        values, vectors = leading_eigenpair(points @ points.mT)
        projection = vectors * values[:, None].clamp_min(0).sqrt()
    else:
        _, vectors = leading_eigenpair(points.mT @ points)
        projection = (points @ vectors[..., None])[..., 0]
    component = oriented(projection, points.mean(2)).masked_fill(broken, torch.nan)
    return component.reshape(batch, *places).to(maps.dtype)


def leading_components(
    maps: Maps, count: int
) -> tuple[Float[Tensor, "batch count height width"], Float[Tensor, "batch count"]]:
    """Each position's projections on the leading principal components, and their shares of the variance.

    As `principal_component`, for several; components beyond the rank of the layer are 0.
    """
    batch, _, height, width = maps.shape
    points, broken = centred_points(maps)
    wide = points.shape[1] <= points.shape[2]
    values, vectors = torch.linalg.eigh(points @ points.mT if wide else points.mT @ points)
    total = values.clamp_min(0).sum(1, keepdim=True)
    values, vectors = values.flip(1)[:, :count].clamp_min(0), vectors.flip(2)[:, :, :count]
    projections = (vectors * values[:, None].sqrt() if wide else points @ vectors).mT
    noise = values <= NOISE * total
    values, projections = values.masked_fill(noise, 0.0), projections.masked_fill(noise[:, :, None], 0.0)
    missing = count - values.shape[1]
    shares = torch.nn.functional.pad(divided(values, total.expand_as(values)), (0, missing))
    components = torch.nn.functional.pad(oriented(projections, points.mean(2)[:, None]), (0, 0, 0, missing))
    components = components.masked_fill(broken[:, None], torch.nan)
    return components.reshape(batch, count, height, width).to(maps.dtype), shares.to(maps.dtype)


def centred_points(maps: SpatialMaps) -> tuple[Tensor, Tensor]:
    """Positions as points in channel space (batch, position, channel), double, with their mean at 0.

    And which pictures (batch, 1) hold a value that is not finite: their points are all 0, because no decomposition
    converges on them.
    """
    points = maps.flatten(2).to(torch.float64, copy=True)
    mean = points.mean(2, keepdim=True)  # finite exactly where every value is: no float32 sum overflows in double
    broken = ~mean.isfinite().all(1)
    if bool(broken.any()):
        points, mean = (values.masked_fill(broken[:, :, None], 0.0) for values in (points, mean))
    return points.sub_(mean).mT, broken


def oriented(projection: Float[Tensor, "*many position"], like: Float[Tensor, "*like position"]) -> Tensor:
    """The projection with the sign that correlates with `like`; unchanged where they are orthogonal."""
    sign = (projection * like).sum(-1, keepdim=True).sign()
    return projection * torch.where(sign == 0, torch.ones_like(sign), sign)


def spatial_mean(maps: Maps) -> Float[Tensor, "batch channel 1 1"]:
    """One weight per channel: the mean over the positions."""
    return maps.mean((2, 3), keepdim=True)


def at_least_one(**counts: int) -> None:
    """`OptionError` where one of these options, a number of repeats, is below 1."""
    for name, value in counts.items():
        if value < 1:
            raise OptionError(f"option {name!r} is a number of repeats, 1 or more; got {value}.")


def divided(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The quotient, and 0 where the denominator is 0."""
    return torch.where(denominator == 0, 0.0, numerator / torch.where(denominator == 0, 1.0, denominator))
