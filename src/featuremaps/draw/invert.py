"""Inversion: from noise to a picture that a layer takes for the one it was shown, so that one sees what it forgets.

Mahendran & Vedaldi 2015, "Understanding deep image representations by inverting them".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.ascent import Climb, climb_canvas
from featuremaps.draw.canvas import Canvas, Rows, at_least, find_canvas
from featuremaps.draw.choices import INVERTED_ON, InvertChoices, pair
from featuremaps.draw.drawing import Drawings
from featuremaps.draw.fourier import FourierCanvas
from featuremaps.draw.model_view import ModelView
from featuremaps.draw.options import check_takes_pictures
from featuremaps.draw.priors import alpha_norm, total_variation
from featuremaps.draw.start_picture import StartPicture, as_received, rounded, sized, start_numbers
from featuremaps.errors import ModelError, OptionError
from featuremaps.layers.addresses import parse
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.rules import Rule
from featuremaps.session import Session

CANVAS = FourierCanvas(rate=0.15)
Maps = Sequence[Float[Tensor, "_channel _height _width"]]


@dataclass(frozen=True)
class Prior:
    """What is asked of a picture besides its features, as weights of means over pixels and channels.

    `range`: of |2·value − 1|^`alpha`, which keeps values from black and white. `smooth`: of the total variation with
    exponent `beta`. The distance of the features, which these are added to, is 1 for a picture without any.
    """

    range: float = 0.01
    smooth: float = 0.1
    alpha: float = 6.0
    beta: float = 2.0

    def __post_init__(self) -> None:
        at_least("prior", self, range=0, smooth=0, alpha=1, beta=1)

    def __call__(self, pictures: Rows) -> Float[Tensor, " row"]:
        """How unnatural each picture is."""
        cost = pictures.new_zeros(len(pictures))
        if self.range:
            cost = cost + self.range * alpha_norm(2 * pictures, self.alpha, 1.0) / pictures[0].numel()
        if self.smooth:
            cost = cost + self.smooth * total_variation(pictures, self.beta) / pictures[0].numel()
        return cost


@dataclass(frozen=True, kw_only=True)
class InvertOptions(InvertChoices):
    """How pictures are inverted: on which canvas, with what asked of the picture besides (None: the usual ones).

    `size` (height, width) is the model's input, or what that is resized to first. `rate` is the canvas's without one.
    """

    canvas: Annotated[str | Canvas | None, INVERTED_ON] = None
    prior: Prior | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior is not None and not isinstance(self.prior, Prior):
            raise OptionError(f"prior is a featuremaps.draw.Prior, such as Prior(smooth=0.5); got {self.prior!r}.")
        _ = self.on  # raises where there is no such canvas

    @property
    def on(self) -> Canvas:
        """The canvas itself."""
        return find_canvas(CANVAS if self.canvas is None else self.canvas)

    @property
    def climb(self) -> Climb:
        """How to climb."""
        rate = self.on.rate if self.rate is None else self.rate
        return Climb(self.steps, rate, self.optimizer, None, "best", frames=self.frames)


def distances(maps: Maps, wanted: Maps) -> Float[Tensor, " row"]:
    """‖φ(x) − φ₀‖² / ‖φ₀‖² of each row: 0 for the same features, 1 for none (equation 2 of the paper)."""
    pairs = zip(maps, wanted, strict=True)
    return torch.stack([(drawn - goal).square().sum() / goal.square().sum() for drawn, goal in pairs])


def invert(studied: StudiedModel, seen: Seen, layers: str | Sequence[str], options: InvertOptions) -> Drawings:
    """One drawing for each layer: a picture, begun as noise, to which the layer responds as it does to `seen`.

    All layers are drawn in one batch that stops at the deepest. A drawing's `value` is ‖φ(x) − φ₀‖ / ‖φ₀‖ of the
    picture as a file of 8 bits keeps it, its curve is what was minimised. Raises `LayerNotFoundError`, `LayoutError`
    for a layer that gives no map, `ModelError` for one that is silent or a size the model cannot take.
    """
    check_takes_pictures(studied)
    addresses = [parse(name) for name in studied.resolve(layers, seen.input[None])]
    canvas, prior, climb, size = options.on, options.prior or Prior(), options.climb, pair(options.size)
    begin = as_received(seen) if size is None else as_received(seen).resized(size)
    with studied.session() as session:
        view = ModelView(session, addresses, False, begin.to_input)
        wanted = _wanted(session, view, seen, begin, size)
        parameters = start_numbers(canvas, len(addresses), begin.shape, options.generator, studied.model)

        def worth(pictures: Tensor, rule: Rule | None) -> Tensor:
            return -distances(_own_maps(view, pictures, rule), wanted) - prior(pictures)

        doing = f"inverting {seen.picture.name}"
        pictures, course = climb_canvas(canvas, parameters, begin.shape, worth, climb, doing)
        pictures = rounded(pictures)
        with torch.no_grad():
            reached = distances(_own_maps(view, pictures), wanted).cpu()
    told = {"canvas": canvas, "prior": prior, "seed": options.seed, "climb": climb}
    drawings = []
    for row, address in enumerate(addresses):
        name, squared = f"{address.name} of {seen.picture.name}", float(reached[row])
        settings = {
            "verb": "invert",
            "layer": address.name,
            "picture": seen.picture.name,
            "size": begin.shape[1:],
            **told,
        }
        settings |= {"relative_distance": squared**0.5, "relative_squared_distance": squared}
        drawings.append(course.drawing(row, name, pictures[row], settings, squared**0.5, "minimised", begin.notes))
    return Drawings(tuple(drawings), f"{seen.picture.name}, as layers remember it")


def _wanted(
    session: Session, view: ModelView, seen: Seen, begin: StartPicture, size: tuple[int, int] | None
) -> list[Tensor]:
    """What each layer makes of the real picture, as it was received unless another size is drawn."""
    with torch.no_grad(), sized(*begin.shape[1:], "Give a larger size, or none for the model's own."):
        if size is None:
            looked = replace(view, to_input=lambda inputs: inputs)(seen.input[None])
        else:
            looked = view(begin.picture[None])
    wanted = [looked.maps[address.name][0] for address in view.layers]
    for address, maps in zip(view.layers, wanted, strict=True):
        if not bool(maps.isfinite().all()) or not bool(maps.any()):
            what = "is silent" if bool(maps.isfinite().all()) else "has values that are not finite"
            raise ModelError(
                f"layer {address.name!r} {what} for {seen.picture.name}, so there is nothing to invert. Choose an "
                "earlier layer; scope.maps(picture, 'all') shows where it begins."
            )
    return wanted


def _own_maps(view: ModelView, pictures: Tensor, rule: Rule | None = None) -> list[Tensor]:
    """Of each row what its own layer makes of it."""
    maps = view(pictures, rule).maps
    return [maps[address.name][row] for row, address in enumerate(view.layers)]
