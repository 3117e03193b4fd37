"""A model under study that can be drawn from: the verbs that make pictures by optimisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from featuremaps.asking import several
from featuremaps.errors import ImageError
from featuremaps.needs import Precision
from featuremaps.sight import Seen
from featuremaps.study import Study

if TYPE_CHECKING:  # what draws is loaded by the verbs that do
    from featuremaps.draw import Canvas, Drawing, Drawings, Jitter, Multiscale, Size
    from featuremaps.draw.dream import Octaves
    from featuremaps.draw.invert import Prior
    from featuremaps.draw.optimise import Optimizer
    from featuremaps.draw.stylize import Start


@dataclass(frozen=True, eq=False)
class DrawingStudy(Study):
    """The verbs that draw. See `Scope`."""

    def draw(
        self,
        units: object = None,
        *,
        layer: str | None = None,
        top: int = 16,
        real: object = None,
        canvas: "str | Canvas | Multiscale" = "fourier",
        size: "Size" = None,
        steps: int = 128,
        rate: float | None = None,
        jitter: "Jitter | None" = None,
        variants: int = 1,
        diversity: float = 0.5,
        patience: int | None = 64,
        frames: int = 0,
        alpha: bool | None = None,
        seed: int = 0,
        precision: Literal["auto"] | Precision = "auto",
        batch_size: int = 32,
        compile: bool = False,
    ) -> "Drawings":
        """Draw what each of `units` looks for, beside the best of `real` pictures, or of a survey.

        A unit is `"layer4:452"`, a neuron `"layer4:452@3,5"`, the name or index of a class, a layer, a sum such as
        `"layer4:1 - 0.5*layer4:7"`, or an objective from `featuremaps.draw`; without `units`, the first `top` channels
        of `layer`. The other options are those of `featuremaps.draw.Manner`; without `jitter` it is the usual one.
        """
        from featuremaps.draw import Jitter, Manner, draw, first_channels
        from featuremaps.draw.real import Surveyed

        manner = Manner(
            canvas=canvas,
            size=size,
            jitter=jitter or Jitter(),
            variants=variants,
            diversity=diversity,
            steps=steps,
            rate=rate,
            patience=patience,
            frames=frames,
            alpha=alpha,
            seed=seed,
            precision=precision,
            batch_size=batch_size,
            compile=compile,
        )
        known = real if isinstance(real, Surveyed) else () if real is None else self.see(real).seen
        wanted = first_channels(self._anatomy, layer, top) if units is None and layer else several(units or ())
        return draw(self._anatomy, wanted, manner, classes=self.classes, real=known)

    def invert(
        self,
        picture: object,
        layers: str | Sequence[str] = "last",
        *,
        size: "Size" = None,
        steps: int = 400,
        canvas: "str | Canvas | None" = None,
        prior: "Prior | None" = None,
        rate: float | None = None,
        optimizer: "Optimizer" = "adam",
        frames: int = 0,
        seed: int = 0,
    ) -> "Drawings":
        """What each of `layers` remembers of a picture: begun as noise, until the layer responds as it does to it.

        A drawing's `value` is the relative distance ‖φ(x) − φ₀‖ / ‖φ₀‖ that is left. `prior` is what is asked of the
        picture besides (Mahendran & Vedaldi 2015).
        """
        from featuremaps.draw.canvases import find_canvas
        from featuremaps.draw.invert import CANVAS, invert
        from featuremaps.draw.manner import pair

        return invert(
            self._anatomy,
            self._one(picture),
            layers,
            size=pair(size),
            canvas=find_canvas(CANVAS if canvas is None else canvas),
            prior=prior,
            steps=steps,
            rate=rate,
            optimizer=optimizer,
            frames=frames,
            seed=seed,
        )

    def stylize(
        self,
        content: object = None,
        style: object = None,
        *,
        content_layers: str | Sequence[str] | None = None,
        style_layers: str | Sequence[str] | None = None,
        alpha: float = 1.0,
        beta: float = 10.0,
        smooth: float = 0.0,
        size: "Size" = None,
        start: "Start | None" = None,
        steps: int = 200,
        optimizer: "Optimizer" = "adam",
        frames: int = 0,
        seed: int = 0,
    ) -> "Drawing":
        """One picture painted in the style of another, at its own size (Gatys et al. 2016).

        `alpha` and `beta` weigh content and style; without `style` the content alone is drawn from noise, without
        `content` a texture of `size`. Layers are those of a usual choice if none are given.
        """
        from featuremaps.draw.manner import pair
        from featuremaps.draw.style import Weights
        from featuremaps.draw.stylize import stylize

        return stylize(
            self._anatomy,
            None if content is None else self._one(content),
            None if style is None else self._one(style),
            content_layers=content_layers,
            style_layers=style_layers,
            weights=Weights(alpha, beta, smooth),
            size=pair(size),
            start=start,
            steps=steps,
            optimizer=optimizer,
            frames=frames,
            seed=seed,
        )

    def dream(
        self,
        picture: object,
        layer: str | Sequence[str] = "last",
        *,
        octaves: "int | Octaves" = 4,
        steps: int = 10,
        frames: int = 0,
        seed: int = 0,
    ) -> "Drawing":
        """A picture with what `layer` or units see in it made stronger, from small to large (DeepDream)."""
        from featuremaps.draw.dream import Octaves, dream

        how = octaves if isinstance(octaves, Octaves) else Octaves(count=octaves, steps=steps, frames=frames)
        return dream(self._anatomy, self._one(picture), layer, octaves=how, seed=seed)

    def _one(self, picture: object) -> Seen:
        """The one picture given; `ImageError` for several."""
        seen = self.see(picture).seen
        if len(seen) > 1:
            raise ImageError(f"one picture is drawn from, and {len(seen)} were given; call this for each of them.")
        return seen[0]
