"""The model under study. Its verbs are thin: pictures gathered, options built, one function below called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from PIL import Image
from torch import nn

from featuremaps.concepts.concepts import Concepts
from featuremaps.concepts.factorize import find_concepts
from featuremaps.concepts.options import FactorizeOptions
from featuremaps.editing.edited_model import edited
from featuremaps.editing.edits import Edit
from featuremaps.editing.export import Exported, exported
from featuremaps.editing.without import axes_of, edits_of
from featuremaps.errors import ImageError, OptionError, check_choice
from featuremaps.evidence.options import TRIAL_METHODS
from featuremaps.explain.compare import compare
from featuremaps.explain.comparison import Comparison, Explanation
from featuremaps.explain.options import REPORT_METHODS, ExplainOptions, Smoothing
from featuremaps.explain.predict import predict
from featuremaps.explain.request import MethodLike, one_method, request_for, several
from featuremaps.filters.figures import FilterScaling
from featuremaps.filters.filters import Filters, filters_of
from featuremaps.layers import Layers
from featuremaps.layers.directions import Directed, check_directions
from featuremaps.layers.given import LayoutLike, given_layout
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.maps.layer_maps import LayerMaps
from featuremaps.maps.layer_summary import LayerWalk
from featuremaps.maps.read import read_maps
from featuremaps.methods.factorization import Negative
from featuremaps.options import OutputKind, Precision, made
from featuremaps.pictures.preprocess import preprocess
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.processor import as_transform
from featuremaps.pictures.seen import Seen, SeenPictures, see
from featuremaps.pictures.signals import KINDS
from featuremaps.plotting.colour_scales import MapScaling
from featuremaps.projection.project import project
from featuremaps.projection.projections import Projections
from featuremaps.results.answer import Answer
from featuremaps.rules import ReluRule
from featuremaps.runtime.batches import probe
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.huggingface_models import class_names, of_pictures
from featuremaps.runtime.input_form import Spatial, form_of, form_with, recorded_transform
from featuremaps.runtime.keras_model import KerasModel
from featuremaps.runtime.pictures_and_texts import PicturesAndTexts
from featuremaps.runtime.record import Record, take
from featuremaps.runtime.studiable import studiable
from featuremaps.runtime.studied_model import LayerLike, StudiedModel
from featuremaps.runtime.targets import as_target

if TYPE_CHECKING:  # what draws, reports and surveys is loaded by the verbs that do
    from featuremaps.concepts.concept import Concept
    from featuremaps.concepts.directions import How as ConceptHow
    from featuremaps.concepts.sensitivity import Sensitivity
    from featuremaps.draw import Canvas, Drawing, Drawings, Jitter, Multiscale, Size
    from featuremaps.draw.ascent import Optimizer
    from featuremaps.draw.best_real import Known
    from featuremaps.draw.dream import Octaves
    from featuremaps.draw.invert import Prior
    from featuremaps.draw.stylize import Start
    from featuremaps.evidence.segmented import SegmentedPicture
    from featuremaps.evidence.trial import Trial
    from featuremaps.maps.head_maps import AttentionMaps
    from featuremaps.repair.before_after import BeforeAfter
    from featuremaps.repair.options import How
    from featuremaps.repair.repair import Repair
    from featuremaps.report.data import Section
    from featuremaps.shortcuts.channel_effects import ChannelEffects
    from featuremaps.shortcuts.shortcut import Shortcut
    from featuremaps.shortcuts.shortcuts import Shortcuts
    from featuremaps.survey.survey import Survey


@dataclass(frozen=True, eq=False)
class Scope:
    """A vision model under study: the module, its preprocessing, its class names.

    `transform` turns a PIL picture into the model's input (channel, height, width), or is "imagenet" or "clip" (see
    `preprocess`), or a processor of the `transformers` library; without one, the model's own record of it is taken
    (timm's), or pictures become floats from 0 to 1 at their own size, which is said. `classes` names the outputs, in
    order; of a model of pictures and texts (CLIP) they are the texts, which its processor reads. `shown` are the three
    channels of more that are drawn as red, green and blue. The model is used where it is, and is after every call as it
    was before.
    `preprocessing` leads from pictures to the model's input, and back to what it saw.
    `layout` is how layers lie whose places cannot be followed from the picture, for all verbs: (rows, columns) or
    (rows, columns, prefix) of tokens, the number of tokens before the patches, or a function from a layer's output to
    maps (batch, channel, height, width); verbs that look into layers take another one for a single call.
    `outputs` says what the class scores are: "logits", "probabilities", "log_probabilities", or "multi_label" (logits
    of classes that are no alternatives); without it that is told from their values and the model's last operation.
    `spatial` is how many axes an input has beside the channels: 1 for signals (channel, time), 2 for pictures, 3 for
    volumes and videos (channel, depth, height, width); without it the model's first layer tells. Signals and volumes
    are given as tensors or arrays, already preprocessed.
    """

    model: nn.Module
    transform: Callable[[Image.Image], Any] | str | None = None
    classes: Sequence[str] | None = None
    name: str = ""
    layout: LayoutLike | None = None
    outputs: OutputKind | None = None
    shown: Sequence[int] | None = None
    spatial: Spatial | None = None
    original: "Scope | None" = field(default=None, repr=False)
    edits: tuple[Edit, ...] = ()
    preprocessing: Preprocessing = field(init=False, repr=False)
    _studied: StudiedModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        transform = preprocess(self.transform) if isinstance(self.transform, str) else as_transform(self.transform)
        object.__setattr__(self, "transform", transform)
        if isinstance(self.classes, str):
            raise OptionError("classes is a list of names, one per output, not a single text.")
        if self.classes is None:
            object.__setattr__(self, "classes", class_names(self.model))
        object.__setattr__(self, "model", studiable(of_pictures(self.model, transform, self.classes)))
        if self.outputs is None and isinstance(self.model, PicturesAndTexts):
            object.__setattr__(self, "outputs", self.model.kind)
        if self.outputs is not None:
            check_choice("outputs", self.outputs, get_args(OutputKind))
        if self.spatial is not None:
            check_choice("spatial", self.spatial, get_args(Spatial))
        names = None if self.classes is None else tuple(self.classes)
        object.__setattr__(self, "classes", names)
        object.__setattr__(self, "name", self.name or type(self.model).__name__)
        shown = None if self.shown is None else tuple(self.shown)
        object.__setattr__(self, "preprocessing", _preprocessing(self.transform, self.model, shown, self.spatial))
        object.__setattr__(self, "_studied", self._study(self.layout))

    def _study(self, layout: LayoutLike | None) -> StudiedModel:
        given, names = given_layout(layout), None if self.classes is None else tuple(self.classes)
        return StudiedModel(self.model, self.preprocessing, names, self.name, given, self.outputs)

    def see(self, pictures: object) -> SeenPictures:
        """The pictures as the model receives them, with those that could not be read."""
        return pictures if isinstance(pictures, SeenPictures) else see(pictures, self.preprocessing)

    def layers(self, pictures: object = None, *, layout: LayoutLike | None = None) -> Layers:
        """Every layer that runs: address, type, channels, size, stride, receptive field.

        Found by running the model once on the first of `pictures`, or on a blank picture of the size the transform
        gives (224 × 224 without one).
        """
        inputs = self._studied.blank() if pictures is None else probe(self.see(pictures).seen)
        return self._as(layout).walk(inputs)

    def record(
        self,
        pictures: object,
        layers: LayerLike | Sequence[LayerLike] = "last",
        target: object = None,
        *,
        gradients: bool = True,
        layout: LayoutLike | None = None,
    ) -> Record:
        """One pass over a batch: `logits`, and the activations and gradients of `layers` as maps.

        The pictures must have one size after preprocessing. Raises `LayerNotFoundError`, `TargetError`, `ImageError`.
        """
        seen = self.see(pictures).seen
        shapes = {one.shape for one in seen}
        if len(shapes) > 1:
            raise ImageError(
                f"the pictures have {len(shapes)} different sizes after preprocessing, and a record holds one batch. "
                "Give a transform that resizes them alike, or record them one by one."
            )
        inputs = torch.stack([one.input for one in seen])
        studied = self._as(layout)
        names = studied.resolve(studied.named(layers), inputs)
        with studied.session() as session:
            return take(session, inputs, names, [as_target(target)], classes=studied.class_outputs, gradients=gradients)

    def predict(self, pictures: object, top: int = 5, *, batch_size: int = 32) -> tuple[tuple[Answer, ...], ...]:
        """The model's own answers: for each picture its `top` most probable classes, with probability and score.

        Raises `TargetError` for a model that gives no class scores.
        """
        return predict(self._studied, self.see(pictures).seen, top, batch_size)

    def maps(
        self,
        pictures: object,
        layers: LayerLike | Directed | Sequence[LayerLike | Directed] = "last",
        *,
        highlight: str | Sequence[str] = (),
        scaling: MapScaling = "map",
        batch_size: int = 32,
        layout: LayoutLike | None = None,
    ) -> FeatureMaps | LayerMaps | LayerWalk:
        """What layers turn pictures into: every channel, whatever the model's layout.

        A layer, a unit (`"layer4:452"`), a concept or a list of units and concepts gives `FeatureMaps`; several layers
        or a glob give `LayerMaps`, keyed by layer; `"all"` gives a `LayerWalk`. `highlight` names units that are always
        shown. A concept's map is how far each place lies along it, from where pictures without it lie on average.
        `scaling` is `"map"` (each map its own), `"layer"` (one for all of a layer) or limits (low, high).
        """
        seen = self.see(pictures).seen
        studied, named = self._as(layout), self._studied.named_or_directed(layers)
        return read_maps(studied, seen, named, highlight=highlight, scaling=scaling, batch_size=batch_size)

    def attention(
        self,
        pictures: object,
        layers: LayerLike | Sequence[LayerLike] | None = None,
        *,
        query: str | int | tuple[int, int] | None = None,
        batch_size: int = 32,
        layout: LayoutLike | None = None,
    ) -> "AttentionMaps":
        """What every attention head looks at: maps (head, height, width) for each picture and layer.

        `layers` are attentions, modules that hold them, globs or "last"; without it all that attend to places of the
        picture. `query` is whose attention: "class", "mean" (over all queries), the number of a token, or a pixel
        (y, x) of what the model saw; without it the class token or the probe of a pooling head, else the mean. Fused
        attention is written out; windows are laid back over the picture.
        """
        from featuremaps.maps.attention import read_attention

        wanted = None if layers is None else self._studied.named(layers)
        return read_attention(self._as(layout), self.see(pictures).seen, wanted, query, batch_size)

    def filters(self, layer: LayerLike, *, scaling: FilterScaling = "filter") -> Filters:
        """The weights of a convolution as pictures, with what can be told from them; the model is not run.

        `layer` is a convolution or holds exactly one. `scaling` is `"filter"` (each its own) or `"layer"`.
        """
        name = self._studied.one_named(layer)
        return filters_of(self.model, name, scaling=scaling, colours=self.preprocessing.colours)

    def project(
        self,
        pictures: object,
        units: str | Sequence[str],
        *,
        rule: ReluRule = "deconvnet",
        most: int = 9,
        batch_size: int = 32,
        layout: LayoutLike | None = None,
    ) -> Projections:
        """Units back in pixel space, each in the `most` pictures where it is strongest, cut to its receptive field.

        `units` are channels such as "layer4:452"; `rule` is "deconvnet", "guided" or "gradient".
        """
        given = self._studied.named(units)
        wanted = [given] if isinstance(given, str) else given
        return project(self._as(layout), self.see(pictures).seen, wanted, rule, most, batch_size)

    def factorize(
        self,
        pictures: object,
        layer: LayerLike = "last",
        *,
        concepts: int = 5,
        negative: Negative = "refuse",
        seed: int = 0,
        batch_size: int = 32,
        layout: LayoutLike | None = None,
    ) -> Concepts:
        """The parts that a set of pictures share in a layer: each with its maps and the class scores it has alone.

        `negative="clip"` sets a signed layer's negative values to 0, which is an error otherwise.
        """
        options = FactorizeOptions(concepts=concepts, negative=negative, seed=seed, batch_size=batch_size)
        return find_concepts(self._as(layout), self.see(pictures).seen, self._studied.one_named(layer), options)

    def concept(
        self,
        positive: object,
        negative: object,
        layer: LayerLike = "last",
        *,
        name: str = "",
        against: str = "",
        how: "ConceptHow" = "pattern",
        seed: int = 0,
        batch_size: int = 32,
        layout: LayoutLike | None = None,
    ) -> "Concept":
        """What `positive` pictures have and `negative` ones have not, as a direction in a layer's channels.

        It may stand where a unit does (`maps`, `draw`, `without`, `find_shortcuts`); `sensitivity` says which classes
        rest on it. `how` says which of three directions is used, see docs/concepts.md. Without a `name` it is called as
        the folder of the positive pictures, and what it is `against` as that of the negative ones.
        """
        from featuremaps.concepts.find_concept import called, find_concept
        from featuremaps.concepts.options import ConceptOptions

        options = ConceptOptions(how=how, seed=seed, batch_size=batch_size)
        names = name or called(positive, "concept"), against or called(negative, "other pictures")
        sides = self.see(positive).seen, self.see(negative).seen
        return find_concept(self._as(layout), *sides, self._studied.one_named(layer), names, options)

    def sensitivity(
        self,
        concepts: "Concept | Sequence[Concept]",
        pictures: object,
        classes: str | int | Sequence[str | int] | None = None,
        *,
        labels: Sequence[str | int] | None = None,
        names: Mapping[str, str] | None = None,
        per_class: int = 300,
        shuffles: int = 999,
        seed: int = 0,
        batch_size: int = 32,
        layout: LayoutLike | None = None,
    ) -> "Sensitivity":
        """How each class's score changes along concepts, beside random ones: TCAV with a permutation test.

        `pictures` are a survey, whose labels count (`names` maps them to outputs that are called otherwise), or
        pictures with `labels`, names or numbers of outputs; without those a picture counts for what the model calls it.
        `classes` are those to test, by default all that there are.
        """
        from featuremaps.concepts.options import SensitivityOptions
        from featuremaps.concepts.tcav import sensitivity_to
        from featuremaps.survey.survey import Survey

        options = SensitivityOptions(per_class=per_class, shuffles=shuffles, seed=seed, batch_size=batch_size)
        given = pictures.made_of(self._studied) if isinstance(pictures, Survey) else self.see(pictures).seen
        return sensitivity_to(self._as(layout), several(concepts), given, classes, labels, names, options)

    def without(self, what: object, *, survey: "Survey | None" = None, pictures: object = None) -> "Scope":
        """The model without units ("layer4:12", or several), a concept, or a shortcut that was found: another scope.

        Units are held at 0, or with a `survey` at their mean over its pictures. The model of this scope stays as it is.
        Its layers are looked up on the first of `pictures`, or as `layers` does without any.
        """
        means, layers = None if survey is None else partial(_means, survey), self.layers(pictures)
        check_directions(what, layers, self.model)
        return self._edited(edits_of(what, layers, means), layers)

    def _edited(self, edits: tuple[Edit, ...], layers: Layers) -> "Scope":
        """A scope of a copy of the model with these edits."""
        made = (*self.edits, *edits)
        first = self if self.original is None else self.original
        model = edited(self.model, edits, axes_of(edits, layers))
        name = f"{first.name} ({', '.join(dict.fromkeys(edit.name for edit in made))})"
        return replace(self, model=model, name=name, original=first, edits=made)

    def export(self, pictures: object = None) -> Exported:
        """The edited model as a module of torch alone, and what differs from the original's weights.

        Both must agree on `pictures`, or on noise. Raises `OptionError` where nothing was edited.
        """
        if self.original is None:
            raise OptionError("this model was not edited, so there is nothing to export: scope.without(…).export().")
        blank = self._studied.blank()
        noise = torch.randn((4, *blank.shape[1:]), generator=torch.Generator().manual_seed(0))
        probe = noise.to(blank) if pictures is None else torch.stack([seen.input for seen in self.see(pictures).seen])
        return exported(self.model, self.original.model, to_model(self.model, probe))

    def explain(
        self,
        pictures: object,
        method: MethodLike = "grad_cam",
        *,
        layer: LayerLike = "last",
        target: object = None,
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        layout: LayoutLike | None = None,
        trial: "Trial | None" = None,
        **options: object,
    ) -> Explanation:
        """Where each picture speaks for `target`: one method on one layer, or down to the pixel.

        `Heatmaps` at the layer's resolution for a method of a layer, `Attributions` for a pixel method; `layer` is
        not used by a method that looks at no layer. `method="best"` and `layer="best"` are those that came first in a
        `trial`, with the options that they had there. `options` are the method's own. See `compare`.
        """
        if "best" in (method, layer):
            method, layer, tried = _chosen(trial, method, layer)
            options = {**tried, **options}
        chosen = one_method(method)
        how = ExplainOptions(
            smooth=smooth, seed=seed, precision=precision, batch_size=batch_size, of_methods={chosen.name: options}
        )
        comparison = self._compare(pictures, [chosen.formula], layer, [target], how, layout=layout)
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
        layers: LayerLike | Sequence[LayerLike] = "last",
        targets: object = None,
        *,
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        options: Mapping[str, Mapping[str, object]] | None = None,
        layout: LayoutLike | None = None,
    ) -> Comparison:
        """Heatmaps keyed `(method, layer, target)`, all from one forward pass per picture and one backward per target.

        `targets` is one target or a list of several for each picture. `smooth="augment"` averages over flipped and
        brightened copies, `"eigen"` keeps the first principal component of the channels' contributions.
        `precision` is that of the extra passes some methods make. `options` are per method name.
        """
        how = ExplainOptions(
            smooth=smooth, seed=seed, precision=precision, batch_size=batch_size, of_methods=options or {}
        )
        return self._compare(pictures, methods, layers, targets, how, layout=layout)

    def trial(
        self,
        pictures: object,
        methods: MethodLike | Sequence[MethodLike] = TRIAL_METHODS,
        layers: LayerLike | Sequence[LayerLike] = "last",
        targets: object = None,
        *,
        masks: object = None,
        measures: str | Sequence[str] = "usual",
        weights: Mapping[str, int | float] | None = None,
        budget: int | None = None,
        seed: int = 0,
        batch_size: int = 4,
        options: Mapping[str, Mapping[str, object]] | None = None,
        out: str | Path | None = None,
        layout: LayoutLike | None = None,
    ) -> "Trial":
        """Which explanation to believe: every method on every layer, measured on every picture beside chance.

        `targets` is one target, or a list with one for each picture. `masks` say where the object is: for each picture
        an array, tensor or file of its size, or a box (left, top, right, bottom). `measures` are names out of
        `featuremaps.evidence.MEASURES`, `weights` what each counts in the consensus (by default those of faithfulness
        alike), `budget` the passes through the model after which no further picture is tried. `options` are per method
        or measure name. With `out` it is kept in this folder, and goes on there if it was stopped.
        """
        from featuremaps.evidence.options import TrialOptions
        from featuremaps.evidence.run import run_trial

        how = TrialOptions(
            measures=measures, weights=weights, budget=budget, seed=seed, batch_size=batch_size, of_names=options or {}
        )
        seen, names = self.see(pictures).seen, self._studied.named(layers)
        folder = None if out is None else Path(out)
        return run_trial(self._as(layout), seen, methods, names, targets, masks, how, folder)

    def regions(
        self,
        pictures: object,
        method: MethodLike | None = "grad_cam",
        *,
        layer: LayerLike | None = None,
        most: int = 6,
        seed: int = 0,
        layout: LayoutLike | None = None,
    ) -> "tuple[SegmentedPicture, ...]":
        """How a segmentation model divides each picture, and what its `most` largest classes rest on.

        For each class a map by `method` on `layer`, by default the last of the coarsest map size, and its mean
        probability in its region: as it is, without the region, without each other one, and without all else.
        Raises `TargetError` for a model that gives no scores of places.
        """
        from featuremaps.evidence.segmented import segmented

        name = None if layer is None else self._studied.one_named(layer)
        return segmented(self._as(layout), self.see(pictures).seen, method, name, most=most, seed=seed)

    def draw(
        self,
        units: object = None,
        *,
        layer: LayerLike | None = None,
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
        layout: LayoutLike | None = None,
    ) -> "Drawings":
        """Draw what each of `units` looks for, beside the best of `real` pictures, or of a survey.

        A unit is `"layer4:452"`, a neuron `"layer4:452@3,5"`, the name or index of a class, a layer, a sum such as
        `"layer4:1 - 0.5*layer4:7"`, a concept, or an objective from `featuremaps.draw`; without `units`, the first
        `top` channels of `layer`. The other options are those of `featuremaps.draw.DrawOptions`; without `jitter` it is
        the usual one.
        """
        from featuremaps.draw import DrawOptions, Jitter, draw, first_channels

        options = DrawOptions(
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
        if units is None and layer is not None:
            wanted: Sequence[object] = first_channels(self._as(layout), self._studied.one_named(layer), top, size)
        else:
            named = self._studied.named
            wanted = [
                named(unit) if isinstance(unit, nn.Module) else unit for unit in several(() if units is None else units)
            ]
        return draw(self._as(layout), wanted, options, real=self._known(real))

    def _known(self, real: object) -> "Sequence[Seen] | Known":
        """The real pictures that drawings are shown beside, or what finds them in a survey."""
        from featuremaps.survey.analysis.best_picture import best_picture
        from featuremaps.survey.storage.reader import StoredSurvey

        if isinstance(real, StoredSurvey):
            return partial(best_picture, real, self.preprocessing)
        return () if real is None else self.see(real).seen

    def invert(
        self,
        picture: object,
        layers: LayerLike | Sequence[LayerLike] = "last",
        *,
        size: "Size" = None,
        steps: int = 400,
        canvas: "str | Canvas | None" = None,
        prior: "Prior | None" = None,
        rate: float | None = None,
        optimizer: "Optimizer" = "adam",
        frames: int = 0,
        seed: int = 0,
        layout: LayoutLike | None = None,
    ) -> "Drawings":
        """What each of `layers` remembers of a picture: begun as noise, until the layer responds as it does to it.

        A drawing's `value` is the relative distance ‖φ(x) − φ₀‖ / ‖φ₀‖ that is left. `prior` is what is asked of the
        picture besides (Mahendran & Vedaldi 2015).
        """
        from featuremaps.draw.invert import InvertOptions, invert

        options = InvertOptions(
            size=size,
            steps=steps,
            canvas=canvas,
            prior=prior,
            rate=rate,
            optimizer=optimizer,
            frames=frames,
            seed=seed,
        )
        return invert(self._as(layout), self._one(picture), self._studied.named(layers), options)

    def stylize(
        self,
        content: object = None,
        style: object = None,
        *,
        content_layers: LayerLike | Sequence[LayerLike] | None = None,
        style_layers: LayerLike | Sequence[LayerLike] | None = None,
        alpha: float = 1.0,
        beta: float = 10.0,
        smooth: float = 0.0,
        size: "Size" = None,
        start: "Start | None" = None,
        steps: int = 200,
        optimizer: "Optimizer" = "adam",
        frames: int = 0,
        seed: int = 0,
        layout: LayoutLike | None = None,
    ) -> "Drawing":
        """One picture painted in the style of another, at its own size (Gatys et al. 2016).

        `alpha` and `beta` weigh content and style; without `style` the content alone is drawn from noise, without
        `content` a texture of `size`. Layers are those of a usual choice if none are given.
        """
        from featuremaps.draw.style import Weights
        from featuremaps.draw.stylize import StylizeOptions, stylize

        options = StylizeOptions(
            content_layers=None if content_layers is None else self._studied.named(content_layers),
            style_layers=None if style_layers is None else self._studied.named(style_layers),
            weights=Weights(alpha, beta, smooth),
            size=size,
            start=start,
            steps=steps,
            optimizer=optimizer,
            frames=frames,
            seed=seed,
        )
        shown, painted = (None if given is None else self._one(given) for given in (content, style))
        return stylize(self._as(layout), shown, painted, options)

    def dream(
        self,
        picture: object,
        layer: LayerLike | Sequence[LayerLike] = "last",
        *,
        octaves: "int | Octaves" = 4,
        steps: int = 10,
        frames: int = 0,
        seed: int = 0,
        layout: LayoutLike | None = None,
    ) -> "Drawing":
        """A picture with what `layer` or units see in it made stronger, from small to large (DeepDream)."""
        from featuremaps.draw.dream import DreamOptions, dream

        options = DreamOptions(octaves=octaves, steps=steps, frames=frames, seed=seed)
        return dream(self._as(layout), self._one(picture), self._studied.named(layer), options)

    def survey(
        self,
        dataset: object,
        layers: LayerLike | Sequence[LayerLike] = "last",
        out: str | Path = "survey",
        *,
        labels: Sequence[str] | None = None,
        image: str | None = None,
        label: str | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        precision: Precision = "float32",
        predictions: bool | None = None,
        keep: int = 100,
        resume: bool = True,
        engine: str = "local",
        layout: LayoutLike | None = None,
    ) -> "Survey":
        """What every channel of `layers` does over a whole dataset, kept in the folder `out`; goes on if stopped.

        `dataset` is a folder with a sub-folder per class, a list of paths or of (path, label), a CSV or Parquet file
        (columns `image` and `label`), a Dataset or DataLoader, tar shards, or a Hugging Face dataset. `labels` names
        its labels in order. `keep` pictures are kept as strongest and weakest of each channel. `engine` "ray" computes
        on a Ray cluster, an actor per GPU or core. Raises `SurveyError` where `out` holds a survey of something else.
        """
        from featuremaps.survey.engine.options import SurveyOptions
        from featuremaps.survey.run import run_survey

        options = SurveyOptions(
            batch_size=batch_size,
            workers=workers,
            precision=precision,
            predictions=predictions,
            keep=keep,
            resume=resume,
            engine=engine,
        )
        layers = self._studied.named(layers)
        return run_survey(self._as(layout), dataset, layers, out, options, image=image, label=label, labels=labels)

    def open_survey(self, path: str | Path, dataset: object = None) -> "Survey":
        """A survey of this model that was made before, with places framed and detectors that run.

        Outputs that had no names when it was made have those of this model's classes.
        """
        from featuremaps.survey.survey import open_survey

        found = open_survey(path, dataset, self._studied)
        return found if self.classes is None else found.with_outputs(tuple(self.classes))

    def find_shortcuts(
        self,
        survey: "Survey",
        layer: LayerLike = "last",
        *,
        other: object = None,
        concepts: "Concept | Sequence[Concept]" = (),
        names: Mapping[str, str] | None = None,
        per_class: int = 300,
        separation: int | float = 3.8,
        least: int = 4,
        tried: int = 40,
        controls: int = 19,
        seed: int = 0,
        batch_size: int = 32,
    ) -> "Shortcuts":
        """What the answers to a class rest on that not all its pictures share, and others have: found without labels.

        Simple things that first layers tell apart in a `survey`'s labelled pictures and that push a class, each proven
        by taking it out of `layer` and putting it in; `concepts` are tried along with them, in the same way. `other`
        is a second survey or other pictures, of another domain or without any of the classes' objects, in which every
        finding is looked up. `names` maps labels to outputs that are called otherwise; see `ShortcutOptions` for the
        rest. No finding says what would have been found.
        """
        from featuremaps.concepts.concept import Concept
        from featuremaps.shortcuts.find import find_shortcuts
        from featuremaps.shortcuts.options import ShortcutOptions
        from featuremaps.survey.survey import Survey

        options = ShortcutOptions(
            per_class=per_class,
            separation=separation,
            least=least,
            tried=tried,
            controls=controls,
            seed=seed,
            batch_size=batch_size,
        )
        surveyed, others = survey.made_of(self._studied), None
        if other is not None:
            others = other.made_of(self._studied) if isinstance(other, Survey) else self.see(other).seen
        given = (concepts,) if isinstance(concepts, Concept) else concepts
        return find_shortcuts(self._studied, surveyed, self._studied.one_named(layer), options, names, others, given)

    def channel_effects(
        self,
        survey: "Survey",
        layer: LayerLike = "last",
        *,
        names: Mapping[str, str] | None = None,
        per_class: int = 300,
        seed: int = 0,
        batch_size: int = 8,
    ) -> "ChannelEffects":
        """What every channel of `layer` is worth to each class: held at 0 alone, over a survey's labelled pictures.

        Every picture runs once as far as the layer; what comes after it runs for each channel. `names` maps labels to
        outputs that are called otherwise.
        """
        from featuremaps.shortcuts.channel_effects import channel_effects
        from featuremaps.shortcuts.options import ShortcutOptions

        options = ShortcutOptions(per_class=per_class, seed=seed, batch_size=batch_size)
        surveyed = survey.made_of(self._studied)
        return channel_effects(self._studied, surveyed, self._studied.one_named(layer), options, names)

    def repaired(
        self,
        shortcut: "Shortcut",
        survey: "Survey",
        how: "How" = "auto",
        *,
        groups: Sequence[bool] | None = None,
        names: Mapping[str, str] | None = None,
        from_layer: LayerLike | None = None,
        per_class: int = 500,
        seed: int = 0,
        batch_size: int = 32,
    ) -> "Repair":
        """The model without a shortcut that was found, by the way that helps the worst group most, or why it cannot be.

        `repair.scope` is the repaired model's scope. `how` takes one way: "projection", "channels", "balanced_head",
        "hard_head", or "fine_tune", which trains a copy and is tried only where it is named, all after the shortcut's
        layer or after `from_layer` (see `RepairOptions`). `groups` says of each of the survey's pictures whether it has
        the shortcut.
        """
        from featuremaps.repair.options import RepairOptions
        from featuremaps.repair.repairing import repair

        first = None if from_layer is None else self._studied.one_named(from_layer)
        options = RepairOptions(how=how, from_layer=first, per_class=per_class, seed=seed, batch_size=batch_size)
        surveyed = survey.made_of(self._studied)
        made = repair(self._studied, surveyed, shortcut, options, groups, names)
        return replace(made, attempt=self._edited((made.edit,), self.layers(surveyed.example(0))))

    def before_after(
        self,
        edited: "Scope | Repair",
        survey: "Survey",
        *,
        shortcut: "Shortcut | None" = None,
        names: Mapping[str, str] | None = None,
        per_class: int = 500,
        seed: int = 0,
        batch_size: int = 32,
    ) -> "BeforeAfter":
        """What an edit changed over a survey's labelled pictures: by class, and with a `shortcut` by group."""
        from featuremaps.repair.before_after import before_after
        from featuremaps.shortcuts.options import ShortcutOptions

        other = edited if isinstance(edited, Scope) else edited.attempt
        options = ShortcutOptions(per_class=per_class, seed=seed, batch_size=batch_size)
        surveyed = survey.made_of(self._studied)
        layer = self.layers(surveyed.example(0)).last if shortcut is None else shortcut.layer
        return before_after(self._studied, other._studied, surveyed, layer, options, shortcut, names)

    def report(
        self,
        pictures: object,
        path: str | Path = "report.html",
        *,
        methods: MethodLike | Sequence[MethodLike] = REPORT_METHODS,
        layers: LayerLike | Sequence[LayerLike] | None = None,
        targets: object = None,
        title: str = "",
        findings: Sequence[str] = (),
        anatomy: bool = True,
        draw: str | Sequence[str] = (),
        survey: "Survey | None" = None,
        carry_to: "Mapping[str, Survey]" = MappingProxyType({}),
        trial: "Trial | None" = None,
        shortcuts: "Shortcuts | None" = None,
        repair: "Repair | None" = None,
        before_after: "BeforeAfter | None" = None,
        command: str = "",
        options: Mapping[str, Mapping[str, object]] | None = None,
        layout: LayoutLike | None = None,
        **explaining: object,
    ) -> Path:
        """Write one self-contained HTML file that explains each picture, and return its path.

        Without `layers`, the last layers of the three deepest map sizes. A method that fails is shown as failed; the
        rest is written. Of a segmentation model it shows what each region rests on. `studied` adds the walk through the
        layers, their channels and the first filters, `draw` the strongest pictures and drawings of these units,
        `survey` what a whole dataset says, `carry_to` how well its detectors do in others, `trial` which explanation to
        believe, and `shortcuts` what the answers rest on, with its `repair` and what that changed (`before_after`).
        `command` repeats it. `options` are per method name, and `explaining` the other options of `compare`: smooth,
        seed, precision, batch_size.
        """
        from featuremaps.draw import DrawOptions
        from featuremaps.report.explanation_report import further_sections
        from featuremaps.report.regions import regions_sections
        from featuremaps.report.shortcuts import shortcuts_sections

        how = made(ExplainOptions, of_methods=options or {}, **explaining)
        seen_pictures = self.see(pictures)
        shown = self._as(layout).walk(probe(seen_pictures.seen)).stages[-3:] if layers is None else layers
        comparison = self._compare(seen_pictures, methods, shown, targets, how, keep_failures=True, layout=layout)
        units = [draw] if isinstance(draw, str) else list(draw)
        drawn = DrawOptions(seed=how.seed)
        suspected = shortcuts_sections(shortcuts, repair, before_after)
        more = further_sections(
            self._as(layout), seen_pictures.seen, units, survey, carry_to, trial, inside=anatomy, options=drawn
        )
        divided = regions_sections(self._as(layout), seen_pictures.seen, comparison)
        more = [*suspected, *divided, *more]
        return self.write_report(
            comparison, seen_pictures, path, title=title, findings=findings, more=more, command=command
        )

    def write_report(
        self,
        comparison: Comparison,
        seen_pictures: SeenPictures,
        path: str | Path = "report.html",
        *,
        title: str = "",
        findings: Sequence[str] = (),
        more: "Sequence[Section]" = (),
        command: str = "",
    ) -> Path:
        """Write a comparison that is already there as one HTML file, with `more` sections below."""
        from featuremaps.report.explanation_report import explanation_report
        from featuremaps.report.html import write

        report = explanation_report(
            self._studied, comparison, seen_pictures, title=title, findings=findings, more=more, command=command
        )
        return write(report, path)

    def report_survey(
        self,
        survey: "Survey",
        path: str | Path = "report.html",
        *,
        carry_to: "Mapping[str, Survey]" = MappingProxyType({}),
        layer: LayerLike | None = None,
        shortcuts: "Shortcuts | None" = None,
        repair: "Repair | None" = None,
        before_after: "BeforeAfter | None" = None,
        title: str = "",
        command: str = "",
    ) -> Path:
        """Write one HTML file that asks the five questions of a survey, and return its path; see `survey_report`.

        `shortcuts`, its `repair` and `before_after` stand first, where they are given.
        """
        from featuremaps.report.shortcuts import shortcuts_sections
        from featuremaps.report.survey_report import write_survey_report

        known = survey.made_of(self._studied)
        name = None if layer is None else self._studied.one_named(layer)
        first = shortcuts_sections(shortcuts, repair, before_after)
        return write_survey_report(
            known, path, carry_to=carry_to, layer=name, title=title, first=first, command=command
        )

    def inside(self, pictures: object) -> "tuple[Section, ...]":
        """Sections of a report on what is inside the model: its layers for these pictures, and its first filters."""
        from featuremaps.report.model_sections import inside

        return inside(self._studied, self.see(pictures).seen)

    def patterns(
        self,
        pictures: object,
        units: Sequence[str],
        drawings: "Sequence[Drawing]" = (),
        remarks: Mapping[str, str] = MappingProxyType({}),
    ) -> "Section":
        """A section of a report on what units look for: their strongest pictures, and what was drawn of them."""
        from featuremaps.report.model_sections import patterns_section

        return patterns_section(self._studied, self.see(pictures).seen, units, drawings, remarks)

    def unit_pages(
        self,
        survey: "Survey",
        folder: str | Path,
        units: Sequence[str] | None = None,
        *,
        n: int = 12,
        drawings: "Drawings | None" = None,
    ) -> Path:
        """Write a page for every unit of a survey, or for some: `folder/unit.html#layer4-452`; no server is needed.

        `folder/unit.html` is a wall of all, to search, filter by class and sort.

        This model's maps are laid over the `n` strongest pictures; `drawings` of units stand beside them.
        """
        from featuremaps.report.unit_pages import write_unit_pages

        drawn = {one.name: one.over() for one in drawings or ()}
        known = survey.made_of(self._studied)
        return write_unit_pages(known, folder, units, self._studied, n=n, drawings=drawn)

    def _compare(
        self,
        pictures: object,
        methods: MethodLike | Sequence[MethodLike],
        layers: LayerLike | Sequence[LayerLike],
        targets: object,
        options: ExplainOptions,
        keep_failures: bool = False,
        layout: LayoutLike | None = None,
    ) -> Comparison:
        seen = self.see(pictures).seen
        names = self._studied.named(layers)
        looked_at = probe(seen, options.batch_size)
        request = request_for(self._as(layout), looked_at, methods, names, targets, options, keep_failures)
        return compare(self.model, seen, request)

    def _as(self, layout: LayoutLike | None) -> StudiedModel:
        """What is studied, its layers read as the caller of a verb says."""
        return self._studied if layout is None else self._study(layout)

    def _one(self, picture: object) -> Seen:
        """The one picture given; `ImageError` for several."""
        seen = self.see(picture).seen
        if len(seen) > 1:
            raise ImageError(f"one picture is drawn from, and {len(seen)} were given; call this for each of them.")
        return seen[0]

    def __repr__(self) -> str:
        classes = f"{len(self.classes)} classes" if self.classes else "classes without names"
        return f"<Scope: {self.name}, {classes}, {self.preprocessing.describe()}>"


def _means(survey: "Survey", layer: str) -> torch.Tensor:
    """The mean activation of a layer's channels over a survey's pictures."""
    return torch.from_numpy(survey.vectors(survey.layer_of(layer).name).mean(0))


def _chosen(trial: object, method: MethodLike, layer: LayerLike) -> tuple[str, str, Mapping[str, Any]]:
    """The method and layer that came first in a trial, of those that are named, and the method's options there."""
    from featuremaps.evidence.trial import Trial

    if not isinstance(trial, Trial):
        raise OptionError(
            f"'best' is what came first in a trial: give trial=scope.trial(pictures), or fm.open_trial(folder); got "
            f"{trial!r}."
        )
    chosen, where = trial.choose(method if method == "best" else one_method(method).name, layer)
    return chosen, where, trial.options_of(chosen)


def _preprocessing(
    transform: Any, model: nn.Module, shown: tuple[int, ...] | None, spatial: Spatial | None
) -> Preprocessing:
    form = form_of(model) if spatial is None else form_with(model, spatial)
    if form.axes in KINDS:
        if transform is not None:
            raise OptionError(
                f"transform= makes a model's input of a picture, and this model takes {KINDS[form.axes]}. Give those "
                "as tensors that are already preprocessed, without a transform."
            )
        return Preprocessing(form=form, shown=shown)
    recorded = None if transform is not None else recorded_transform(model)
    assumed = transform is None and (recorded is None or (isinstance(model, KerasModel) and model.range is None))
    return Preprocessing(transform or recorded, form, shown, assumed)
