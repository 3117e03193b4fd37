"""What can be changed in a model: directions of a layer's channels held at a value, and weights replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.layers.layout import Layout


@dataclass(frozen=True, eq=False)
class Removal:
    """Directions of a layer's channels, each held at one value at every place: x becomes x − Dᵀ(D x − values).

    With `directions` D (k, channel) orthonormal this is the projection that keeps everything else as it was: channels
    taken out (D of ones and zeros), or a concept's direction (P-ClArC, Anders et al. 2022, section 3.3). `name` says
    what is gone in a few words.
    """

    layer: str
    directions: Float[Tensor, "direction channel"]
    values: Float[Tensor, " direction"]
    name: str

    def __post_init__(self) -> None:
        gram = self.directions.double() @ self.directions.double().T
        if not torch.allclose(gram, torch.eye(len(gram), dtype=gram.dtype, device=gram.device), atol=1e-4):
            raise OptionError(f"the directions of {self.name!r} are not orthonormal; direction_out(…) makes them so.")

    def __call__(self, output: Tensor, axis: int) -> Tensor:
        """A layer's output whose channels lie along `axis`, without these directions."""
        directions = self.directions.to(output)
        channels = output.movedim(axis, -1)
        surplus = channels @ directions.T - self.values.to(output)
        return (channels - surplus @ directions).movedim(-1, axis)

    def affine(self) -> tuple[Float[Tensor, "channel channel"], Float[Tensor, " channel"]]:
        """The same as matrix and offset: x becomes matrix · x + offset."""
        directions = self.directions.double()
        matrix = torch.eye(directions.shape[1], dtype=torch.float64) - directions.T @ directions
        return matrix, directions.T @ self.values.double()


@dataclass(frozen=True, eq=False)
class NewWeights:
    """Other values for some of a model's parameters, by their names in its state dict.

    `survey` is the identity of the survey whose pictures they were learned from, "" where there was none.
    """

    weights: Mapping[str, Tensor]
    name: str
    survey: str = ""


Edit = Removal | NewWeights


def channels_out(layer: str, channels: Sequence[int], of: int, values: Sequence[float] | None = None) -> Removal:
    """Some of a layer's `of` channels held at `values`, or at 0."""
    directions = torch.nn.functional.one_hot(torch.tensor(list(channels)), of).float()
    held = torch.zeros(len(channels)) if values is None else torch.tensor(list(values), dtype=torch.float32)
    return Removal(layer, directions, held, ", ".join(f"{layer}:{channel}" for channel in channels))


def direction_out(
    layer: str,
    directions: Float[Tensor, "direction channel"],
    at: Float[Tensor, " channel"],
    name: str,
) -> Removal:
    """Directions of a layer, of any length and slant to each other, held where the point `at` has them.

    Those that others already say are not counted twice. Raises `OptionError` for directions of no length.
    """
    _, lengths, basis = torch.linalg.svd(directions.double(), full_matrices=False)
    if not lengths.isfinite().all() or float(lengths.max()) == 0:
        raise OptionError(f"{name!r}: a direction of layer {layer!r} has no length, or one that is not finite.")
    basis = basis[lengths > 1e-6 * lengths.max()].float()
    return Removal(layer, basis, basis @ at.float(), name)


def channel_axis(layer: str, layout: Layout) -> int:
    """The axis of a layer's own output along which its channels lie."""
    if layout.kind == "function":
        raise OptionError(
            f"layer {layer!r} is read by a function (layout=), which cannot put changed maps back. Give the grid of "
            "its tokens instead, layout=(rows, columns, prefix)."
        )
    return -1 if layout.kind in ("tokens", "channels_last") else 1
