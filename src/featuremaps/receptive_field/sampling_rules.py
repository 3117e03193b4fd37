"""A map read at places that a grid names, as deformable attention and spatial transformers do.

What is read stands where the grid's cell stands, and not where it was read. So places are known where the grid has
those of the picture, as one made of a map's own places and learned steps from them, and where it names each place
itself. Of any other grid, one made for the whole picture at once say, it is not known what its cells stand for.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from featuremaps.receptive_field.call import Call, FieldRule
from featuremaps.receptive_field.field_algebra import Dim, Field, channels, contracted, everywhere, merged


def names_each_place(map: Tensor, grid: Tensor, align_corners: bool) -> bool:
    """Whether a grid (batch, *space, axis) reads each place of a map (batch, channel, *space) where it stands."""
    if grid.shape[1:-1] != map.shape[2:]:
        return False
    axes = map.ndim - 2
    still = torch.eye(axes, axes + 1, device=grid.device, dtype=torch.float32)
    size = [1, 1, *map.shape[2:]]
    own = F.affine_grid(still[None], size, align_corners=align_corners)
    return bool(((grid.detach().float() - own).abs() * grid.new_tensor(size[:1:-1]) < 0.1).all())


def _sampled(call: Call) -> Field:
    """See the module; a place may have read the whole map, but for a grid that names each place itself."""
    shape, map, grid = call.results[0], call.field("input", "self"), call.field("grid")
    if grid is None:
        return map if map is not None and call.args.get("names_each_place") else everywhere(call.subject, shape)
    placed = grid.dims[1:-1]
    if grid.lost or grid.moved or not all(dim.axes for dim in placed):
        return everywhere(call.subject, shape)
    own = contracted(grid, [-1])
    own = own._replace(dims=(own.dims[0], channels(shape[1]), *own.dims[1:-1]))
    if map is None:
        return own
    seen = contracted(map, range(1, len(map.dims)))
    whole = tuple(reach._replace(whole=True) for reach in seen.reach)
    return merged([own, seen._replace(dims=(channels(shape[0]), *[Dim(())] * (len(shape) - 1)), reach=whole)], shape)


RULES: dict[str, FieldRule] = dict.fromkeys(
    ("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "cudnn_grid_sampler"), _sampled
)
