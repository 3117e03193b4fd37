"""Deep feature factorisation: what a layer says about a set of pictures, as a few concepts, each with its maps.

No map of one target but parts that pictures share, so it is no `@method`; `Concepts` holds what it finds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.methods.channel_weights import divided
from featuremaps.methods.chunking import checked
from featuremaps.options import Negative
from featuremaps.progress import track

SLICE = 65536
"""Positions whose reconstruction is held at a time."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Activations as concepts: `maps[i, j]` times `vectors[j]`, summed over the concepts j, is nearly picture i.

    Each concept's strongest place in all pictures has the map value 1, so that its vector is in units of the layer.
    The concept that holds most of the activation comes first. `errors` is the relative error ‖A − MV‖ / ‖A‖ without
    any concept (1) and after every iteration; `converged` says whether it had stopped falling.
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
    least squares (Cichocki & Phan 2009, scikit-learn's coordinate descent) from a start by singular vectors
    (Boutsidis & Gallopoulos 2008, NNDSVD). Stops when an iteration lowers the relative error by less than `tolerance`
    of it. `MethodError` for values below 0, which `negative="clip"` sets to 0: what a signed layer says by negative
    values is then lost.
    """
    from sklearn.decomposition import non_negative_factorization

    batch, channels, height, width = activations.shape
    most = min(channels, batch * height * width)
    checked("concepts", concepts, "how many concepts are looked for", least=1, most=most)
    checked("iterations", iterations, "how many times the concepts are improved at most", least=1)
    checked("tolerance", tolerance, "the relative fall of the error below which it stops", least=0)
    positions = _non_negative(activations, negative).permute(0, 2, 3, 1).flatten(0, 2).float().cpu()
    seed = int(torch.randint(2**31, (), generator=generator, device="cpu"))
    norm, errors = float(positions.norm(dtype=torch.float64)), [1.0]
    places, vectors, start = None, None, "nndsvd"
    for _ in track(range(iterations), "factorising"):
        places, vectors, _ = non_negative_factorization(
            positions.numpy(), places, vectors, concepts, init=start, max_iter=1, tol=0, random_state=seed
        )
        errors.append(_distance(positions, torch.from_numpy(places), torch.from_numpy(vectors)) / norm)
        start, converged = "custom", errors[-2] - errors[-1] <= tolerance * errors[-2]
        if converged:
            break
    places, vectors = (torch.from_numpy(factor).to(activations.device) for factor in (places, vectors))
    order = (places.norm(dim=0) * vectors.norm(dim=1)).argsort(descending=True, stable=True)
    peaks = places.amax(0)[order]
    maps = divided(places[:, order], peaks).reshape(batch, height, width, concepts).permute(0, 3, 1, 2).contiguous()
    return Factors(
        maps, vectors[order] * peaks[:, None], torch.tensor(errors, dtype=torch.float64, device="cpu"), converged
    )


def concept_scores(
    vectors: Float[Tensor, "concept channel"], size: tuple[int, int], head: Callable[[Tensor], Tensor]
) -> Float[Tensor, "concept classes"]:
    """The class scores of each concept alone: of a layer that holds its vector at every one of `size` places.

    `head` runs the model from the layer on, from maps (concept, channel, height, width) to scores.
    """
    with torch.no_grad():
        return head(vectors[:, :, None, None].expand(-1, -1, *size).contiguous())


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
            f"factorize splits activations into parts that add up, and {100 * share:.2g}% of this layer's are below "
            '0. Take the layer after its ReLU, or give negative="clip" to keep only what is above 0.'
        )
    activations = activations.clamp_min(0)
    if not bool(activations.any()):
        raise MethodError("factorize: no activation of the layer is above 0 (a dead layer); take another layer.")
    return activations
