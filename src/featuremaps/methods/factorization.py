"""Deep feature factorisation: what a layer says about a set of pictures, as a few concepts, each with its maps.

No map of one target but parts that pictures share, so it is no `@method`; `Concepts` holds what it finds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.methods.channels import divided
from featuremaps.methods.perturbation import checked
from featuremaps.progress import track

Negative = Literal["refuse", "clip"]

SLICE = 65536
"""Positions whose reconstruction is held at a time."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Activations as concepts: `maps[i, j]` times `vectors[j]`, summed over the concepts j, is nearly picture i.

    Each concept's strongest place in all pictures has the map value 1, so that its vector is in units of the layer.
    The concept that holds most of the activation comes first. `errors` is the relative error ‖A − MV‖ / ‖A‖ at the
    start and after every iteration; `converged` says whether it had stopped falling.
    """

    maps: Float[Tensor, "batch concept height width"]
    vectors: Float[Tensor, "concept channel"]
    errors: Float[Tensor, " steps"]
    converged: bool


def factorize(
    activations: Float[Tensor, "batch channel height width"],
    generator: torch.Generator,
    *,
    concepts: int = 5,
    iterations: int = 500,
    tolerance: float = 1e-5,
    negative: Negative = "refuse",
) -> Factors:
    """The concepts of one layer over all pictures together (Collins et al. 2018, Deep feature factorization, eq. 2-3).

    Non-negative matrix factorisation of the positions of all pictures by their channels: hierarchical alternating
    least squares (Cichocki & Phan 2009) from a start by singular vectors (Boutsidis & Gallopoulos 2008). Stops when
    an iteration lowers the relative error by less than `tolerance` of it. `MethodError` for values below 0, which
    `negative="clip"` sets to 0: what a signed layer says by negative values is then lost.
    """
    batch, channels, height, width = activations.shape
    most = min(channels, batch * height * width)
    checked("concepts", concepts, "how many concepts are looked for", least=1, most=most)
    checked("iterations", iterations, "how many times the concepts are improved at most", least=1)
    checked("tolerance", tolerance, "the relative fall of the error below which it stops", least=0)
    positions = _non_negative(activations, negative).permute(0, 2, 3, 1).flatten(0, 2).float()
    places, vectors = started(positions, concepts, generator)
    norm = float(positions.norm(dtype=torch.float64))
    errors = [_distance(positions, places, vectors) / norm]
    for _ in track(range(iterations), "factorising"):
        vectors = improved(vectors.T, positions.T @ places, places.T @ places).T
        places = improved(places, positions @ vectors.T, vectors @ vectors.T)
        errors.append(_distance(positions, places, vectors) / norm)
        if errors[-2] - errors[-1] <= tolerance * errors[-2]:
            break
    converged = errors[-2] - errors[-1] <= tolerance * errors[-2]
    order = (places.norm(dim=0) * vectors.norm(dim=1)).argsort(descending=True, stable=True)
    peaks = places.amax(0)[order]
    maps = divided(places[:, order], peaks).reshape(batch, height, width, concepts).permute(0, 3, 1, 2).contiguous()
    return Factors(maps, vectors[order] * peaks[:, None], torch.tensor(errors, dtype=torch.float64), converged)


def concept_scores(
    vectors: Float[Tensor, "concept channel"], size: tuple[int, int], head: Callable[[Tensor], Tensor]
) -> Float[Tensor, "concept classes"]:
    """The class scores of each concept alone: of a layer that holds its vector at every one of `size` places.

    `head` runs the model from the layer on, from maps (concept, channel, height, width) to scores.
    """
    with torch.no_grad():
        return head(vectors[:, :, None, None].expand(-1, -1, *size).contiguous())


def started(
    positions: Float[Tensor, "position channel"], concepts: int, generator: torch.Generator
) -> tuple[Float[Tensor, "position concept"], Float[Tensor, "concept channel"]]:
    """A start for the factors (NNDSVD): of each leading pair of singular vectors the positive or the negative halves.

    The halves with the larger product are taken. The singular vectors come from a random sketch of the activations
    (Halko et al. 2011), improved by power iterations.
    """
    sketch = min(concepts + 10, *positions.shape)
    basis = torch.randn((positions.shape[1], sketch), generator=generator).to(positions)
    for _ in range(4):
        basis = torch.linalg.qr(positions.T @ (positions @ torch.linalg.qr(basis)[0]))[0]
    projected = positions @ basis
    values, turns = torch.linalg.eigh((projected.T @ projected).double())
    values, turns = values.flip(0)[:concepts].clamp_min(0).sqrt(), turns.flip(1)[:, :concepts].to(positions)
    left, right = divided(projected @ turns, values.to(positions)), (basis @ turns).T
    (up, across), (down, along) = _halves(left, right)
    gains = torch.stack([up.norm(dim=0) * across.norm(dim=1), down.norm(dim=0) * along.norm(dim=1)])
    positive, strength = gains[0] >= gains[1], (values.to(positions) * gains.amax(0)).sqrt()
    places, vectors = torch.where(positive, up, down), torch.where(positive[:, None], across, along)
    places = divided(places, places.norm(dim=0)) * strength
    return places, divided(vectors, vectors.norm(dim=1, keepdim=True)) * strength[:, None]


def improved(
    factor: Float[Tensor, "row concept"],
    product: Float[Tensor, "row concept"],
    gram: Float[Tensor, "concept concept"],
) -> Float[Tensor, "row concept"]:
    """One factor's columns, each made the best there is, not below 0, while all others stay as they are.

    `product` is the data times the other factor, `gram` that factor's products with itself.
    """
    factor = factor.clone()
    for column in range(factor.shape[1]):
        rest = product[:, column] - factor @ gram[:, column]
        factor[:, column] = (factor[:, column] + divided(rest, gram[column, column])).clamp_min(0)
    return factor


def _halves(left: Tensor, right: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return (left.relu(), right.relu()), ((-left).relu(), (-right).relu())


def _distance(positions: Tensor, places: Tensor, vectors: Tensor) -> float:
    """‖A − MV‖, a slice of the positions at a time."""
    parts = zip(positions.split(SLICE), places.split(SLICE), strict=True)
    squares = torch.stack([(part - place @ vectors).square_().sum(dtype=torch.float64) for part, place in parts])
    return float(squares.sum().sqrt())


def _non_negative(activations: Tensor, negative: Negative) -> Tensor:
    """The activations with nothing below 0; `MethodError` says what to do where they cannot be factorised."""
    if not bool(activations.isfinite().all()):
        raise MethodError("factorize: the layer's activations are not all finite; look at the model and the pictures.")
    share = float((activations < 0).float().mean())
    if share and negative == "refuse":
        raise MethodError(
            f"factorize splits activations into parts that add up, and {100 * share:.2g} % of this layer's are below "
            '0. Take the layer after its ReLU, or give negative="clip" to keep only what is above 0.'
        )
    activations = activations.clamp_min(0)
    if not bool(activations.any()):
        raise MethodError("factorize: no activation of the layer is above 0 (a dead layer); take another layer.")
    return activations
