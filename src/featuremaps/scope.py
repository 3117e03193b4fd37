"""The model under study. Its verbs are thin: each gathers pictures, finds layers, and calls one function below."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import nn

from featuremaps.anatomy import Anatomy
from featuremaps.asking import MethodLike, asked, methods_of, several
from featuremaps.comparison import Comparison, Explanation
from featuremaps.concepts import Concepts
from featuremaps.errors import ImageError, ModelError, OptionError
from featuremaps.explain import Smoothing, compare
from featuremaps.factoring import find_concepts
from featuremaps.filters import Filters, FilterScaling, filters_of
from featuremaps.layer_maps import LayerMaps
from featuremaps.layer_walk import LayerWalk
from featuremaps.layers import Layers
from featuremaps.maps import FeatureMaps
from featuremaps.methods import Method
from featuremaps.methods.factorization import Negative
from featuremaps.needs import Precision
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

if TYPE_CHECKING:
    from featuremaps.report.data import Section

REPORT_METHODS = ("grad_cam", "layer_cam", "hires_cam", "guided_backprop", "integrated_gradients", "lrp")


@dataclass(frozen=True, eq=False)
class Scope:
    """A vision model under study: the module, its preprocessing, its class names.

    `transform` turns a PIL picture into the model's input (channel, height, width); without one, pictures become
    floats from 0 to 1 at their own size. `classes` names the outputs, in order. The model is used where it is, and
    is after every call as it was before.
    """

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

    def explain(
        self,
        pictures: object,
        method: MethodLike = "grad_cam",
        *,
        layer: str = "last",
        target: object = None,
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        **options: object,
    ) -> Explanation:
        """Where each picture speaks for `target`: one method on one layer, or down to the pixel.

        `Heatmaps` at the layer's resolution for a method of a layer, `Attributions` for a pixel method; `layer` is
        not used by a method that looks at no layer. `options` are the method's own. See `compare`.
        """
        known = methods_of(method)[0]
        comparison = self._compare(
            pictures, [known], layer, [target], smooth, seed, precision, batch_size, {known.name: options}
        )
        if len(comparison) > 1:
            found = ", ".join(key[1] for key in comparison)
            raise OptionError(
                f"layer={layer!r} names {len(comparison)} layers ({found}); use compare(layers=…) for several."
            )
        return next(iter(comparison.values()))

    def compare(
        self,
        pictures: object,
        methods: MethodLike | Sequence[MethodLike] = ("grad_cam",),
        layers: str | Sequence[str] = "last",
        targets: object = None,
        *,
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Comparison:
        """Heatmaps keyed `(method, layer, target)`, all from one forward pass per picture and one backward per target.

        `targets` is one target or a list of several for each picture. `smooth="augment"` averages over flipped and
        brightened copies, `"eigen"` keeps the first principal component of the channels' contributions.
        `precision` is that of the extra passes some methods make. `options` are per method name.
        """
        return self._compare(
            pictures, methods_of(methods), layers, several(targets), smooth, seed, precision, batch_size, options or {}
        )

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

    def report(
        self,
        pictures: object,
        path: str | Path = "report.html",
        *,
        methods: MethodLike | Sequence[MethodLike] = REPORT_METHODS,
        layers: str | Sequence[str] | None = None,
        targets: object = None,
        title: str = "",
        findings: Sequence[str] = (),
        anatomy: bool = True,
        command: str = "",
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Path:
        """Write one self-contained HTML file that explains each picture, and return its path.

        Without `layers`, the last layers of the three deepest map sizes. A method that fails is shown as failed; the
        rest is written. `anatomy` adds the walk through the layers, their channels and the first filters. `command`
        is what to repeat it with.
        """
        sighting = self.see(pictures)
        chosen, wanted = methods_of(methods), several(targets)
        stages = self._anatomy.walk(sighting.seen[0].input[None]).stages[-3:] if layers is None else layers
        comparison = self._compare(
            sighting, chosen, stages, wanted, smooth, seed, precision, batch_size, options or {}, keep_failures=True
        )
        return self.write_report(
            comparison,
            sighting,
            path,
            title=title,
            findings=findings,
            more=self.inside(sighting) if anatomy else (),
            command=command,
            seed=seed,
            precision=precision,
            options=options,
        )

    def write_report(
        self,
        comparison: Comparison,
        sighting: Sighting,
        path: str | Path = "report.html",
        *,
        title: str = "",
        findings: Sequence[str] = (),
        more: "Sequence[Section]" = (),
        command: str = "",
        seed: int = 0,
        precision: Precision = "float32",
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Path:
        """Write a comparison that is already there as one HTML file, with `more` sections below."""
        from featuremaps.report.build import explanation_report, provenance_of
        from featuremaps.report.html import write

        provenance = provenance_of(
            comparison,
            model=self.name,
            architecture=type(self.model).__name__,
            preprocessing=self.preprocessing.describe(),
            device=next((p.device for p in self.model.parameters()), torch.device("cpu")),
            seed=seed,
            precision=precision,
            command=command,
            options=options,
        )
        report = explanation_report(
            comparison,
            sighting.seen,
            classes=self.classes,
            title=title or f"What {self.name} sees",
            provenance=provenance,
            rejected=sighting.rejected,
            findings=findings,
            more=more,
        )
        return write(report, path)

    def inside(self, pictures: object) -> "tuple[Section, ...]":
        """Sections of a report on what is inside the model: its layers for these pictures, and its first filters."""
        from featuremaps.report.inside import inside

        return inside(self._anatomy, self.see(pictures).seen, self.preprocessing.colours)

    def _compare(
        self,
        pictures: object,
        methods: Sequence[Method],
        layers: str | Sequence[str],
        targets: Sequence[object],
        smooth: Smoothing | Sequence[Smoothing],
        seed: int,
        precision: Precision,
        batch_size: int,
        options: Mapping[str, Mapping[str, object]],
        keep_failures: bool = False,
    ) -> Comparison:
        seen = self.see(pictures).seen
        request = asked(
            self._anatomy,
            seen[0].input[None],
            methods,
            layers,
            targets,
            options,
            classes=self.classes,
            smooth=frozenset([smooth] if isinstance(smooth, str) else smooth),
            seed=seed,
            precision=precision,
            keep_failures=keep_failures,
        )
        return compare(self.model, seen, request, batch_size)

    def __repr__(self) -> str:
        classes = f"{len(self.classes)} classes" if self.classes else "classes without names"
        return f"<Scope: {self.name}, {classes}, {self.preprocessing.describe()}>"
