"""A model under study: what it is, what it makes of pictures, and what can be seen of its layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import nn

from featuremaps.anatomy import Anatomy
from featuremaps.concepts import Concepts
from featuremaps.errors import ImageError, ModelError, OptionError
from featuremaps.factoring import find_concepts
from featuremaps.filters import Filters, FilterScaling, filters_of
from featuremaps.layer_maps import LayerMaps
from featuremaps.layer_walk import LayerWalk
from featuremaps.layers import Layers
from featuremaps.maps import FeatureMaps
from featuremaps.methods.factorization import Negative
from featuremaps.projecting import project
from featuremaps.projections import Projections
from featuremaps.reading import read_maps
from featuremaps.record import Record, take
from featuremaps.rules import Way
from featuremaps.scales import MapScaling
from featuremaps.sight import Sighting, see
from featuremaps.state import preserved, unwrapped
from featuremaps.targets import as_target
from featuremaps.view import Preprocessing


@dataclass(frozen=True, eq=False)
class Study:
    """The module, its preprocessing and its class names, with the verbs that look and do not ask why. See `Scope`."""

    model: nn.Module
    transform: Callable[[Image.Image], Any] | None = None
    classes: Sequence[str] | None = None
    name: str = ""
    _anatomy: Anatomy = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, nn.Module):
            raise ModelError(
                f"Scope takes a torch.nn.Module, got {type(self.model).__name__}. To load a model by name use "
                "featuremaps.load('torchvision:resnet50')."
            )
        if isinstance(self.classes, str):
            raise OptionError("classes is a list of names, one per output, not a single text.")
        object.__setattr__(self, "model", unwrapped(self.model))
        object.__setattr__(self, "classes", None if self.classes is None else tuple(self.classes))
        object.__setattr__(self, "name", self.name or type(self.model).__name__)
        object.__setattr__(self, "_anatomy", Anatomy(self.model, self.preprocessing))

    @property
    def preprocessing(self) -> Preprocessing:
        """From pictures to the model's input, and back to what the model saw."""
        return Preprocessing(self.transform)

    def see(self, pictures: object) -> Sighting:
        """The pictures as the model receives them, with those that could not be read."""
        return pictures if isinstance(pictures, Sighting) else see(pictures, self.preprocessing)

    def layers(self, pictures: object = None) -> Layers:
        """Every layer that runs: address, type, channels, size, stride, receptive field.

        Found by running the model once on the first of `pictures`, or on a blank picture of the size the transform
        gives (224 × 224 without one).
        """
        inputs = self._anatomy.blank() if pictures is None else self.see(pictures).seen[0].input[None]
        return self._anatomy.walk(inputs)

    def record(
        self, pictures: object, layers: str | Sequence[str] = "last", target: object = None, *, gradients: bool = True
    ) -> Record:
        """One pass over a batch: `logits`, and the activations and gradients of `layers` as maps.

        The pictures must have one size after preprocessing. Raises `LayerNotFoundError`, `TargetError`, `ImageError`.
        """
        seen = self.see(pictures).seen
        shapes = {tuple(one.input.shape) for one in seen}
        if len(shapes) > 1:
            raise ImageError(
                f"the pictures have {len(shapes)} different sizes after preprocessing, and a record holds one batch. "
                "Give a transform that resizes them alike, or record them one by one."
            )
        inputs = torch.stack([one.input for one in seen])
        names = self._anatomy.resolve(layers, inputs)
        with preserved(self.model) as session:
            return take(session, inputs, names, [as_target(target)], classes=self.classes, gradients=gradients)

    def maps(
        self,
        pictures: object,
        layers: str | Sequence[str] = "last",
        *,
        highlight: str | Sequence[str] = (),
        scaling: MapScaling = "map",
        batch_size: int = 32,
    ) -> FeatureMaps | LayerMaps | LayerWalk:
        """What layers turn pictures into: every channel, whatever the model's layout.

        A layer, a unit (`"layer4:452"`) or a list of units gives `FeatureMaps`; several layers or a glob give
        `LayerMaps`, keyed by layer; `"all"` gives a `LayerWalk`. `highlight` names units that are always shown.
        `scaling` is `"map"` (each map its own), `"layer"` (one for all of a layer) or limits (low, high).
        """
        seen = self.see(pictures).seen
        return read_maps(self._anatomy, seen, layers, highlight=highlight, scaling=scaling, batch_size=batch_size)

    def filters(self, layer: str, *, scaling: FilterScaling = "filter") -> Filters:
        """The weights of a convolution as pictures, with what can be told from them; the model is not run.

        `layer` is a convolution or holds exactly one. `scaling` is `"filter"` (each its own) or `"layer"`.
        """
        return filters_of(self.model, layer, scaling=scaling, colours=self.preprocessing.colours)

    def project(
        self,
        pictures: object,
        units: str | Sequence[str],
        *,
        rule: Way = "deconvnet",
        most: int = 9,
        batch_size: int = 32,
    ) -> Projections:
        """Units back in pixel space, each in the `most` pictures where it is strongest, cut to its receptive field.

        `units` are channels such as "layer4:452"; `rule` is "deconvnet", "guided" or "gradient".
        """
        wanted = [units] if isinstance(units, str) else list(units)
        return project(self._anatomy, self.see(pictures).seen, wanted, rule, most, batch_size)

    def factorize(
        self,
        pictures: object,
        layer: str = "last",
        *,
        concepts: int = 5,
        negative: Negative = "refuse",
        seed: int = 0,
        batch_size: int = 32,
    ) -> Concepts:
        """The parts that a set of pictures share in a layer: each with its maps and the class scores it has alone.

        `negative="clip"` sets a signed layer's negative values to 0, which is an error otherwise.
        """
        return find_concepts(
            self._anatomy,
            self.see(pictures).seen,
            layer,
            concepts=concepts,
            negative=negative,
            classes=self.classes,
            seed=seed,
            batch_size=batch_size,
        )

    def __repr__(self) -> str:
        classes = f"{len(self.classes)} classes" if self.classes else "classes without names"
        return f"<Scope: {self.name}, {classes}, {self.preprocessing.describe()}>"
