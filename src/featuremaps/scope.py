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

from featuremaps.editing.edited_model import edited
from featuremaps.editing.edits import Edit
from featuremaps.editing.without import axes_of, edits_of
from featuremaps.errors import ImageError, OptionError, check_choice
from featuremaps.evidence.options import TRIAL_METHODS
from featuremaps.explain.compare import compare
from featuremaps.explain.comparison import Comparison, Explanation
from featuremaps.explain.options import REPORT_METHODS, ExplainOptions, Smoothing
from featuremaps.explain.predict import predict
from featuremaps.explain.request import MethodLike, one_method, request_for, several
from featuremaps.layers import Layers
from featuremaps.layers.directions import Directed, check_directions
from featuremaps.layers.given import LayoutLike, given_layout
from featuremaps.models.detectors_of_phrases import DetectorOfPhrases
from featuremaps.models.detectors_of_texts import DetectorOfTexts
from featuremaps.models.huggingface_models import class_names, of_pictures
from featuremaps.models.input_form import Spatial, form_of, form_with, recorded_transform
from featuremaps.models.keras_model import KerasModel
from featuremaps.models.pictures_and_texts import PicturesAndTexts
from featuremaps.models.studiable import studiable
from featuremaps.models.studied_model import LayerLike, StudiedModel
from featuremaps.models.torchvision_weights import Weights, class_names_of
from featuremaps.options import Each, Negative, OutputKind, Precision, made
from featuremaps.outputs.class_names import names_in_order
from featuremaps.outputs.detections import DetectedBox
from featuremaps.pictures.preprocess import preprocess
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.processor import as_transform
from featuremaps.pictures.seen import Seen, SeenPictures, see
from featuremaps.pictures.signals import KINDS
from featuremaps.plotting.cards import card
from featuremaps.plotting.colour_scales import MapScaling
from featuremaps.results.answer import Answer
from featuremaps.rules import ReluRule
from featuremaps.runtime.batches import probe
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import take
from featuremaps.session import in_turn
from featuremaps.targets.placed_masks import placed
from featuremaps.targets.targets import as_target

if TYPE_CHECKING:  # what draws, reports and surveys is loaded by the verbs that do
    from featuremaps.concepts.concept import Concept
    from featuremaps.concepts.concepts import Concepts
    from featuremaps.concepts.directions import How as ConceptHow
    from featuremaps.concepts.sensitivity import Sensitivity
    from featuremaps.draw import Canvas, Drawing, Drawings, Jitter, Multiscale, Size
    from featuremaps.draw.best_real import Known
    from featuremaps.draw.choices import Optimizer
    from featuremaps.draw.dream import Octaves
    from featuremaps.draw.invert import Prior
    from featuremaps.draw.stylize import Start
    from featuremaps.editing.export import Exported
    from featuremaps.evidence.detected_picture import DetectedPicture
    from featuremaps.evidence.fills import Fill
    from featuremaps.evidence.random_labels import RandomLabelModel
    from featuremaps.evidence.segmented_picture import SegmentedPicture
    from featuremaps.evidence.trial import Trial
    from featuremaps.filters.figures import FilterScaling
    from featuremaps.filters.filters import Filters
    from featuremaps.maps.feature_maps import FeatureMaps
    from featuremaps.maps.head_maps import AttentionMaps
    from featuremaps.maps.layer_maps import LayerMaps
    from featuremaps.maps.layer_summary import LayerWalk
    from featuremaps.projection.projections import Projections
    from featuremaps.repair.before_after import BeforeAfter
    from featuremaps.repair.options import How
    from featuremaps.repair.repair import Repair
    from featuremaps.report.data import Section
    from featuremaps.report.page_path import PagePath
    from featuremaps.shortcuts.channel_effects import ChannelEffects
    from featuremaps.shortcuts.shortcut import Shortcut
    from featuremaps.shortcuts.shortcuts import Shortcuts
    from featuremaps.survey.survey import Survey


@dataclass(frozen=True, eq=False)
class Scope:
    """A vision model under study: the module, its preprocessing, its class names.

    The model is used where it is, and is after every call as it was before: hooks, training flags, gradients, buffers
    and random state. A scope is never changed; verbs that edit the model return another one.

    Args:
        model: Any `torch.nn.Module`, or a Keras model on the PyTorch backend.
        transform: Turns a PIL picture into the model's input (channel, height, width), or is "imagenet" or "clip" (see
            `preprocess`), a processor of the `transformers` library, or torchvision's entry of weights
            (`ResNet50_Weights.DEFAULT`), which has the class names too. Without one the model's own record of it is
            taken (timm's), or pictures become floats from 0 to 1 at their own size, which is said.
        classes: The names of the outputs, in order, or as `{0: "cat", …}` or `{"cat": 0, …}`; of a model of pictures
            and texts (CLIP) the texts, which its processor reads.
        name: What the model is called in figures and reports; its class without one.
        layout: How layers lie whose places cannot be followed from the picture, for all verbs: (rows, columns) or
            (rows, columns, prefix) of tokens, the number of tokens before the patches, or a function from a layer's
            output to maps (batch, channel, height, width).
        outputs: What the class scores are: "logits", "probabilities", "log_probabilities", or "multi_label" (logits of
            classes that are no alternatives); or "detections", rows of a box and class probabilities, as YOLO gives
            them. Without it that is told from their values and the model's last operation.
        shown: The three channels of more that are drawn as red, green and blue.
        spatial: How many axes an input has beside the channels: 1 for signals (channel, time), 2 for pictures, 3 for
            volumes and videos (channel, depth, height, width). Without it the model's first layer tells. Signals and
            volumes are given as tensors or arrays, already preprocessed.
        original: The scope that this one was edited from; set by `without` and `repaired`.
        edits: What was edited; set by the same verbs.

    Attributes:
        preprocessing: From pictures to the model's input, and back to what it saw.

    Raises:
        OptionError: An argument is not understood.
        ModelError: The model cannot be looked into.
    """

    model: nn.Module
    transform: Callable[[Image.Image], Any] | str | Weights | None = None
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
        given = self.transform
        transform = preprocess(given) if isinstance(given, str) else as_transform(given)
        transform = transform.transforms() if isinstance(transform, Weights) else transform
        object.__setattr__(self, "transform", transform)
        if self.classes is None:
            recorded = class_names_of(given, self.model) if isinstance(given, Weights) else class_names(self.model)
            object.__setattr__(self, "classes", recorded)
        object.__setattr__(self, "classes", names_in_order(self.classes))
        object.__setattr__(self, "model", studiable(of_pictures(self.model, transform, self.classes)))
        if self.outputs is None and isinstance(self.model, PicturesAndTexts | DetectorOfTexts | DetectorOfPhrases):
            object.__setattr__(self, "outputs", self.model.kind)
        if self.outputs is not None:
            check_choice("outputs", self.outputs, get_args(OutputKind))
        if self.spatial is not None:
            check_choice("spatial", self.spatial, get_args(Spatial))
        object.__setattr__(self, "name", self.name or type(self.model).__name__)
        shown = None if self.shown is None else tuple(self.shown)
        object.__setattr__(self, "preprocessing", _preprocessing(self.transform, self.model, shown, self.spatial))
        object.__setattr__(self, "_studied", self._study(self.layout))

    def _study(self, layout: LayoutLike | None) -> StudiedModel:
        given, names = given_layout(layout), None if self.classes is None else tuple(self.classes)
        return StudiedModel(self.model, self.preprocessing, names, self.name, given, self.outputs)

    def see(self, pictures: object) -> SeenPictures:
        """The pictures as the model receives them, with those that could not be read.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).

        Returns:
            For each picture its tensor (channel, height, width), and the part of the original that is in it.

        Raises:
            ImageError: No picture can be read.
        """
        return pictures if isinstance(pictures, SeenPictures) else see(pictures, self.preprocessing)

    def layers(self, pictures: object = None, *, layout: LayoutLike | None = None) -> Layers:
        """Every layer that runs: address, type, channels, size, stride, receptive field.

        Found by running the model once.

        Args:
            pictures: The first of them is run; without any, a blank one of the size the transform gives (224 × 224
                without a transform).
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            A table that prints itself. `.last` is the address that "last" stands for; sizes, strides and receptive
            fields are in pixels of the model's input.

        Raises:
            LayoutError: A `layout` that does not fit.
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
        """The activations and gradients of layers, from one pass over a batch.

        Args:
            pictures: What is run; all of one size after preprocessing.
            layers: An address such as "layer4.1.conv2", a glob such as "layer*", "last", "depths" (a few layers from
                shallow to deep), "all", a module, or a list of those.
            target: The score whose gradient is taken; see the page on targets. `None` is the top answer of each
                picture.
            gradients: Whether gradients are computed; without them there is no backward pass, and a model needs no
                class scores where no target is given.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            `logits` (batch, classes), and by layer `activations` and `gradients` as maps (batch, channel, height,
            width), whatever the model's own layout. Gradients are in score per unit of activation.

        Raises:
            LayerNotFoundError: No layer has this name; the nearest names are given.
            TargetError: The target does not fit the model's output.
            ImageError: The pictures differ in size, or cannot be read.
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
        wanted = [placed(as_target(target), seen)] if gradients or target is not None else []
        with studied.session() as session:
            return take(session, inputs, names, wanted, classes=studied.class_outputs, gradients=gradients)

    def predict(
        self, pictures: object, top: int | None = None, *, batch_size: int = 32, threshold: float = 0.5
    ) -> tuple[tuple[Answer | DetectedBox, ...], ...]:
        """The model's own answers: for each picture its most probable classes, or what a detector finds in it.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            top: How many classes of each picture, 5 by default; of a detector all that it finds.
            batch_size: How many pictures run at once.
            threshold: The score (0 to 1) from which on something that a detector finds counts.

        Returns:
            For each picture its answers, best first, with label, index, probability (0 to 1) and score; of a detector
            boxes with label, index, score and box, or the surest one, which says so, where none is sure enough.

        Raises:
            TargetError: The model gives neither class scores nor boxes.
        """
        return predict(self._studied, self.see(pictures).seen, top, batch_size, threshold)

    def maps(
        self,
        pictures: object,
        layers: LayerLike | Directed | Sequence[LayerLike | Directed] = "last",
        *,
        highlight: str | Sequence[str] = (),
        scaling: MapScaling = "map",
        batch_size: int = 32,
        layout: LayoutLike | None = None,
    ) -> "FeatureMaps | LayerMaps | LayerWalk":
        """What layers turn pictures into: every channel, whatever the model's layout.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            layers: A layer, a unit such as "layer4:452", a concept, a list or glob of those, or "all".
            highlight: Units that are always shown.
            scaling: How maps are coloured: `"map"` (each its own), `"layer"` (one for all of a layer) or limits (low,
                high).
            batch_size: How many pictures run at once.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            `FeatureMaps` of one layer, unit or concept, or of a list of units and concepts; `LayerMaps`, keyed by
            layer, of several layers or a glob; a `LayerWalk` of "all". Maps are raw, (channel, height, width) for each
            picture. A concept's map is how far each place lies along it, from where pictures without it lie on average.

        Raises:
            LayerNotFoundError: No layer or unit has this name.
            LayoutError: The layer's output cannot be laid out as a map.
        """
        from featuremaps.maps.read import read_maps

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

        Fused attention is written out; windows are laid back over the picture.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            layers: Attentions, modules that hold them, globs or "last"; without it all that attend to the picture.
            query: Whose attention: "class", "mean" (over all queries), the number of a token, or a pixel (y, x) of what
                the model saw; without it the class token or the probe of a pooling head, else the mean.
            batch_size: How many pictures run together at most.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            The maps, each between 0 and 1: the share of a head's attention that a place gets.

        Raises:
            LayerNotFoundError: No attention has this name.
            LayoutError: The places that a layer attends to are not known.
        """
        from featuremaps.maps.read_attention import read_attention

        wanted = None if layers is None else self._studied.named(layers)
        return read_attention(self._as(layout), self.see(pictures).seen, wanted, query, batch_size)

    def filters(self, layer: LayerLike, *, scaling: "FilterScaling" = "filter") -> "Filters":
        """The weights of a convolution as pictures, with what can be told from them; the model is not run.

        Args:
            layer: A convolution, or a module that holds exactly one.
            scaling: How they are coloured: `"filter"` (each its own) or `"layer"` (one for all).

        Returns:
            The filters, (filter, channel, height, width), with those that are dead or say the same as another.

        Raises:
            LayerNotFoundError: No layer has this name.
            LayoutError: The layer holds no convolution, or several.
        """
        from featuremaps.filters.filters import filters_of

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
    ) -> "Projections":
        """What units saw in the pictures where they are strongest, sent back to the pixels and cut to their receptive
        field.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            units: Channels such as "layer4:452".
            rule: How a ReLU is passed on the way back: "deconvnet" (Zeiler & Fergus 2014), "guided" (Springenberg et
                al. 2015) or "gradient".
            most: In how many of the pictures, strongest first.
            batch_size: How many pictures run at once.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            For each unit its pictures, the values of their pixels, and the places.

        Raises:
            LayerNotFoundError: No unit has this name.
        """
        from featuremaps.projection.project import project

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
    ) -> "Concepts":
        """The parts that a set of pictures share in a layer, by non-negative matrix factorisation (Collins et al.
        2018).

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            layer: The layer whose channels are factorised.
            concepts: How many parts.
            negative: What is done about a layer with negative values: "refuse", or "clip" them to 0.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            Each part with its map of every picture, and the class scores that the model gives it alone.

        Raises:
            MethodError: The layer is silent, or has negative values that are not clipped.
            ImageError: The pictures differ in size.
        """
        from featuremaps.concepts.factorize import find_concepts
        from featuremaps.concepts.options import FactorizeOptions

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
        """What some pictures have and others have not, as a direction among a layer's channels.

        It may stand where a unit does (`maps`, `draw`, `without`, `find_shortcuts`); `sensitivity` says which classes
        rest on it.

        Args:
            positive: Pictures that have it, such as a folder.
            negative: Pictures that do not.
            layer: The layer in which they are told apart.
            name: What it is called; without one, as the folder of the positive pictures.
            against: What it is told from; without one, as the folder of the negative pictures.
            how: Which of three directions is used, "pattern", "ridge" or "mean_difference"; see docs/concepts.md.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            The concept, with its accuracy in held-out pictures, and whether that is beyond chance.

        Raises:
            ImageError: Too few pictures on a side, or one that is on both.
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
        """How each class's score changes along concepts, beside random ones: TCAV (Kim et al. 2018) with a permutation
        test.

        Args:
            concepts: One or several, from `concept`.
            pictures: A survey, whose labels count, or pictures.
            classes: The classes that are tested, by name or index; all that there are without it.
            labels: The label of each picture, where `pictures` is no survey; without those a picture counts for what
                the model calls it.
            names: Which output a label means, where they are called differently: `{label: output}`.
            per_class: How many pictures of each class are taken, at random; all where there are fewer.
            shuffles: How many random concepts, made of the same pictures, stand beside it.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            For each concept and class the mean change of the score, the share of pictures in which it rises, and the p
            value.

        Raises:
            OptionError: A concept of another model, or labels where a survey has its own.
        """
        from featuremaps.concepts.options import SensitivityOptions
        from featuremaps.concepts.tcav import sensitivity_to
        from featuremaps.survey.survey import Survey

        options = SensitivityOptions(per_class=per_class, shuffles=shuffles, seed=seed, batch_size=batch_size)
        given = pictures.made_of(self._studied) if isinstance(pictures, Survey) else self.see(pictures).seen
        return sensitivity_to(self._as(layout), several(concepts), given, classes, labels, names, options)

    def without(self, what: object, *, survey: "Survey | None" = None, pictures: object = None) -> "Scope":
        """The model without units, a concept, or a shortcut that was found, as another scope.

        Args:
            what: A unit such as "layer4:12", several, a `Concept`, or a `Shortcut`.
            survey: Units are held at their mean over its pictures; without it at 0.
            pictures: Layers are looked up on the first of them; without any on a blank one of the size that the model
                ran last.

        Returns:
            The scope of an edited copy; its `export` gives a plain module.

        Raises:
            LayerNotFoundError: No unit has this name.
            OptionError: A concept or shortcut of another model.
        """
        means = None if survey is None else partial(_means, survey)
        layers = self._studied.walk(self._studied.usual()) if pictures is None else self.layers(pictures)
        check_directions(what, layers, self.model)
        return self._edited(edits_of(what, layers, means), layers)

    def _edited(self, edits: tuple[Edit, ...], layers: Layers) -> "Scope":
        """A scope of a copy of the model with these edits."""
        made = (*self.edits, *edits)
        first = self if self.original is None else self.original
        model = edited(self.model, edits, axes_of(edits, layers))
        name = f"{first.name} ({', '.join(dict.fromkeys(edit.name for edit in made))})"
        return replace(self, model=model, name=name, original=first, edits=made)

    def export(self, pictures: object = None) -> "Exported":
        """The edited model as a module of torch alone, and what differs from the original's weights.

        Args:
            pictures: The export must agree with the edited model on these; on noise without any.

        Returns:
            The module, the changed weights, and how closely both agree.

        Raises:
            OptionError: Nothing was edited.
            ModelError: Nothing gives the same outputs as the edited model.
        """
        from featuremaps.editing.export import exported

        if self.original is None:
            raise OptionError("this model was not edited, so there is nothing to export: scope.without(…).export().")
        blank = self.original._studied.usual()
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
        threshold: float = 0.5,
        layout: LayoutLike | None = None,
        trial: "Trial | None" = None,
        **options: object,
    ) -> Explanation:
        """Where each picture speaks for a target: one method on one layer, or down to the pixel.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            method: The name of a method (`featuremaps methods` lists them), its function, or "best" of a `trial`.
            layer: The layer that is looked at, "last" by default, or "best" of a `trial`; not used by a method that
                looks at none. "last" of a detector is all maps that its heads read, added up: "levels". "a + b" adds
                the maps of two layers up.
            target: What is explained: a class by name or index, `None` for the top answer of each picture, a list with
                one for each, or an object such as `Margin`; see the page on targets. Of a detector each thing found of
                a class, or of all, in a row of its own.
            smooth: "augment" averages over flipped and brightened copies, "eigen" keeps the first principal component
                of what the channels contribute; or both.
            seed: The seed of everything random.
            precision: That of the extra passes which some methods make: "float32", "bfloat16" or "float16".
            batch_size: How many pictures run at once.
            threshold: Of what a detector finds, the score (0 to 1) from which on it is explained.
            layout: How the tokens of layers lie, for this call only; see `Scope`.
            trial: Where "best" is taken from, with the options that it had there.
            **options: The method's own.

        Returns:
            `Heatmaps` at the layer's resolution for a method of a layer, `Attributions` for one of pixels; raw and
            signed.

        Raises:
            MethodError: The method is not known, or cannot work on this model.
            LayerNotFoundError: No layer has this name.
            TargetError: The target does not fit the model's output.
            OptionError: An option is not understood, or `layer` names several layers.
        """
        if "best" in (method, layer):
            method, layer, tried = _chosen(trial, self.model, method, layer)
            options = {**tried, **options}
        chosen = one_method(method)
        how = ExplainOptions(
            smooth=smooth,
            seed=seed,
            precision=precision,
            batch_size=batch_size,
            threshold=threshold,
            of_methods={chosen.name: options},
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
        threshold: float = 0.5,
        options: Mapping[str, Mapping[str, object]] | None = None,
        layout: LayoutLike | None = None,
    ) -> Comparison:
        """Several methods, layers and targets at once: one forward pass per picture, one backward pass per target.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            methods: Names of methods, or their functions.
            layers: Addresses, globs, "last", "depths" (a few layers from shallow to deep), or "all".
            targets: One target, or a list of several for each picture; see `explain`.
            smooth: As for `explain`.
            seed: The seed of everything random.
            precision: As for `explain`.
            batch_size: How many pictures run at once.
            threshold: As for `explain`.
            options: The methods' own, by name: `{"score_cam": {"baseline": "blur"}}`.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            Heatmaps and attributions keyed `(method, layer, target)`.

        Raises:
            MethodError: A method is not known, or cannot work on this model.
            LayerNotFoundError: No layer has this name.
            TargetError: A target does not fit the model's output.
        """
        how = ExplainOptions(
            smooth=smooth,
            seed=seed,
            precision=precision,
            batch_size=batch_size,
            threshold=threshold,
            of_methods=options or {},
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
        random_label_model: "RandomLabelModel | None" = None,
        layout: LayoutLike | None = None,
    ) -> "Trial":
        """Which explanation to believe: every method on every layer, measured on every picture beside chance.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            methods: Names of methods, or their functions; ten usual ones by default.
            layers: The layers that they are tried on.
            targets: One target, or a list with one for each picture.
            masks: Where the object is, for each picture: an array, tensor or file of its size, a box (left, top,
                right, bottom) in pixels, or a list of such; or a file of COCO's annotations, with those of all.
            measures: Names out of `MEASURES`, or "usual".
            weights: What each measure counts in the order; by default those of faithfulness alike.
            budget: How many passes through the model may be made; no further picture is tried after those.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.
            options: Options of methods and measures, by name.
            out: A folder in which the trial is kept, and goes on if it was stopped.
            random_label_model: For the measure "random_labels": the same architecture trained on shuffled labels, or a
                function that is given a copy of the model and returns it so trained.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            The trial: an order with intervals, what fails a sanity check, and a conclusion in sentences.

        Raises:
            OptionError: A measure is not known, or masks do not fit.
            MethodError: A method is not known.
        """
        from featuremaps.evidence.options import TrialOptions
        from featuremaps.evidence.run import run_trial

        how = TrialOptions(
            measures=measures,
            weights=weights,
            budget=budget,
            seed=seed,
            batch_size=batch_size,
            of_names=options or {},
            random_label_model=random_label_model,
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

        For each class a map, and its mean probability in its region: as it is, without the region, without each other
        one, and without all else.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            method: The name of a method, or its function; `None` for no maps.
            layer: The layer of the maps; without it the last of the coarsest map size.
            most: How many of the largest classes are looked at in each picture.
            seed: The seed of what fills a region that is taken out.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            What was found in each picture.

        Raises:
            TargetError: The model gives no scores of places.
        """
        from featuremaps.evidence.segmented_picture import segmented

        name = None if layer is None else self._studied.one_named(layer)
        return segmented(self._as(layout), self.see(pictures).seen, method, name, most=most, seed=seed)

    def boxes(
        self,
        pictures: object,
        method: MethodLike | None = "hires_cam",
        *,
        layer: LayerLike = "last",
        target: object = None,
        threshold: float = 0.5,
        fill: "Fill" = "linear",
        most: int = 20,
        seed: int = 0,
        layout: LayoutLike | None = None,
    ) -> "tuple[DetectedPicture, ...]":
        """What a detector finds in each picture, and what the score of each box rests on.

        For each box a map, and its score: as it is, without what lies inside the box, without the content of each other
        box, and without all that lies outside. In a changed picture that is the score of what fits best there, times
        its overlap with the box.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            method: The name of a method, or its function; `None` for no maps.
            layer: The layer of the maps; without it all that the detector's heads read, added up.
            target: A label, `Detection`, `Box`, or a list of several; without it each box that is found.
            threshold: The least score of a box that is found; where none has it, the surest is taken and noted.
            fill: What stands where places are taken out: "linear" (what their neighbours lead to), "mean", "blur" or
                "zero".
            most: How many boxes of a picture are looked at, surest first.
            seed: The seed of the noise in what stands where places are taken out.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            What was found in each picture.

        Raises:
            TargetError: The model is no detector, or a target is no box.
            MethodError: The method looks at no target.
        """
        from featuremaps.evidence.detected_picture import detected

        seen, name = self.see(pictures).seen, self._studied.one_named(layer)
        return detected(
            self._as(layout), seen, method, name, target, threshold=threshold, fill=fill, most=most, seed=seed
        )

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
        """Draw what units look for, beside the real pictures that drive each most.

        Args:
            units: A channel "layer4:452", a neuron "layer4:452@3,5", the name or index of a class, a layer, a sum such
                as "layer4:1 - 0.5*layer4:7", a concept, an objective from `featuremaps.draw`, or a list of those.
            layer: Without `units`, the first channels of this layer are drawn.
            top: How many of them.
            real: Pictures, or a survey, out of which the best real one stands beside each drawing.
            canvas: How a picture is described: "fourier", "pixels", "maco" or "cppn"; "multiscale" is the classic
                recipe.
            size: Height and width in pixels, one number for both; the model's own without it.
            steps: How often the picture is changed, at most.
            rate: How large a step is; what suits the canvas without it.
            jitter: How the picture is moved and turned at every step, so that no single pixel counts; the usual way
                without it.
            variants: How many pictures of each unit.
            diversity: How much of the value may be given up for their being different, as a share.
            patience: After how many steps without a gain drawing stops; `None` for never.
            frames: How many pictures of the way there are kept, for an animation.
            alpha: Whether transparency shows how much each pixel mattered; by default on the "maco" canvas.
            seed: The seed of everything random.
            precision: Of the model while it is drawn from: "auto" is what is quick here. What a drawing reaches is
                measured in float32 in any case.
            batch_size: How many pictures are drawn at once.
            compile: Whether the model is compiled first, which pays for many steps.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            The drawings, each with its value in units of the activation, and that of the best real picture.

        Raises:
            LayerNotFoundError: No unit has this name.
            OptionError: An option is not understood.
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
        from featuremaps.survey.analysis.seen_pictures import best_picture
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
        """What layers remember of a picture: begun as noise, changed until the layer responds as it does to the
        picture.

        The method is of Mahendran & Vedaldi 2015, eq. 2.

        Args:
            picture: One picture.
            layers: The layers, a drawing for each.
            size: Height and width in pixels that the picture is resized to first; the model's input without it.
            steps: How often the picture is changed.
            canvas: How a picture is described, as for `draw`.
            prior: What is asked of the picture besides, such as smoothness; the usual without it.
            rate: How large a step is; what suits the canvas without it.
            optimizer: "adam", "lbfgs" or "gradient".
            frames: How many pictures of the way there are kept.
            seed: The seed of everything random.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            A drawing for each layer; its `value` is the relative distance ‖φ(x) − φ₀‖ / ‖φ₀‖ that is left: 0 for the
            same features, 1 for none of them.

        Raises:
            LayoutError: A layer gives no map.
            ModelError: A layer is silent, or the model does not take this size.
            ImageError: Several pictures were given.
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

        Args:
            content: The picture that is painted; without one a texture of `size` is made of `style`.
            style: The picture whose style it gets; without one the content alone is drawn from noise.
            content_layers: The layers that say what is in the picture; a usual choice without them.
            style_layers: The layers that say what it is made of; a usual choice without them.
            alpha: How much the content counts.
            beta: How much the style counts.
            smooth: How much smoothness counts.
            size: Height and width of a texture, in pixels.
            start: "content" or "noise"; the content where there are both pictures.
            steps: How often the picture is changed.
            optimizer: "adam", "lbfgs" or "gradient".
            frames: How many pictures of the way there are kept.
            seed: The seed of everything random.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            The drawing; its `value` is the loss that is left.

        Raises:
            OptionError: Neither picture was given.
            ModelError: The model does not take their sizes.
        """
        from featuremaps.draw.choices import Weights
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
        """A picture with what a layer sees in it made stronger, from small to large (DeepDream, Mordvintsev et al.
        2015).

        Args:
            picture: One picture.
            layer: A layer, units, or a list of those.
            octaves: In how many sizes, or an `Octaves` with the rest of the recipe.
            steps: How often the picture is changed in each size.
            frames: How many pictures of the way there are kept.
            seed: The seed of everything random.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            The drawing.

        Raises:
            LayerNotFoundError: No layer has this name.
            ImageError: Several pictures were given.
        """
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
        label: str | Sequence[str] | None = None,
        multi_label: bool = False,
        batch_size: int | None = None,
        workers: int | None = None,
        precision: Precision = "float32",
        predictions: bool | None = None,
        keep: int = 100,
        resume: bool = True,
        engine: str = "local",
        each: "Each | None" = None,
        threshold: float = 0.5,
        layout: LayoutLike | None = None,
    ) -> "Survey":
        """What every channel of layers does over a whole dataset, kept in a folder; goes on there if it was stopped.

        Args:
            dataset: A folder with a folder for each class, a list of paths or of (path, label), a CSV or Parquet file,
                a Dataset or DataLoader, WebDataset tar shards, a DataFrame, or a Hugging Face dataset.
            layers: The layers, all read in one pass.
            out: The folder of the survey.
            labels: The names of the dataset's labels, in order.
            image: The column of a table that holds paths; "image" by default.
            label: The column of a table that holds labels; "label" by default. With `multi_label` also several, each
                with a 1 or 0 for the class that it is called.
            multi_label: Whether a picture may have several labels: a list of them, a 1 or 0 for each of `labels`, or
                names in one cell, between which "|", ";" or "," stands.
            batch_size: How many pictures run at once; what suits the machine without it.
            workers: How many processes read pictures; what suits the machine without it.
            precision: Of the pass: "float32", "bfloat16" or "float16".
            predictions: Whether the model's own answers are kept, for which all of it must run; by default where the
                last layer is among those asked for.
            keep: How many strongest and weakest pictures of each channel are kept.
            resume: Whether a survey that was stopped goes on; it begins again otherwise.
            engine: "local", or "ray" for a cluster, an actor for each GPU or core.
            each: What counts: a "picture", each "box" that a detector finds, or the "region" of each class that a
                segmenter gives in a picture; by default what the model gives.
            threshold: Of what a detector finds, the score (0 to 1) from which on it counts.
            layout: How the tokens of layers lie, for this call only; see `Scope`.

        Returns:
            The survey, to be asked questions.

        Raises:
            SurveyError: `out` holds a survey of something else; what differs is said.
            OptionError: An option, or the dataset, is not understood.
        """
        from featuremaps.survey.engine.options import SurveyOptions
        from featuremaps.survey.run import run_survey

        options = SurveyOptions(
            batch_size=batch_size,
            workers=workers,
            precision=precision,
            predictions=predictions,
            keep=keep,
            multi_label=multi_label,
            resume=resume,
            engine=engine,
            each=each,
            threshold=threshold,
        )
        layers = self._studied.named(layers)
        return run_survey(self._as(layout), dataset, layers, out, options, image=image, label=label, labels=labels)

    def open_survey(self, path: str | Path, dataset: object = None) -> "Survey":
        """A survey of this model that was made before, with places framed and detectors that run.

        Args:
            path: Its folder.
            dataset: The dataset, where pictures cannot be found by their paths again.

        Returns:
            The survey. Outputs that had no names when it was made have those of this model's classes.

        Raises:
            SurveyError: The folder holds no finished survey, or one of another model.
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
        """What the answers to a class rest on that is not the class: found without anyone naming it.

        Looks for things that some pictures of a class have and others have not, that first layers tell apart and that
        push the class; proves each by taking it out of a layer and putting it in.

        Args:
            survey: A survey of labelled pictures.
            layer: The layer in which things are taken out and put in.
            other: A second survey, or pictures of another domain or without any of the classes' objects; every finding
                is looked up there.
            concepts: Concepts that are tried along with what is found, in the same way.
            names: Which output a label of the survey means, where they are called differently: `{label: output}`.
            per_class: How many pictures of each class are taken, at random; all where there are fewer.
            separation: How far apart pictures with and without a thing must lie, as Ashman's D.
            least: How many pictures of a class must have it, and lack it.
            tried: In how many pictures it is taken out and put in.
            controls: How many random directions stand beside it.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.

        Returns:
            The findings, strongest first, each with its effect and interval; where there are none, how large one would
            have been found.

        Raises:
            SurveyError: The survey has no labels, or is of another model.
            OptionError: An option is not understood.
        """
        from featuremaps.concepts.concept import Concept
        from featuremaps.shortcuts.find import find_shortcuts
        from featuremaps.shortcuts.options import ShortcutOptions
        from featuremaps.survey.survey import Survey, survey_of

        options = ShortcutOptions(
            per_class=per_class,
            separation=separation,
            least=least,
            tried=tried,
            controls=controls,
            seed=seed,
            batch_size=batch_size,
        )
        surveyed, others = survey_of(survey, self._studied), None
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
        """What every channel of a layer is worth to each class: held at 0 alone, over a survey's labelled pictures.

        Every picture runs once as far as the layer; what comes after it runs for each channel.

        Args:
            survey: A survey of labelled pictures.
            layer: The layer whose channels are taken out.
            names: Which output a label of the survey means, where they are called differently: `{label: output}`.
            per_class: How many pictures of each class are taken, at random; all where there are fewer.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.

        Returns:
            For each channel and class the mean change of the class's score, with its interval.

        Raises:
            SurveyError: The survey has no labels, or is of another model.
        """
        from featuremaps.shortcuts.channel_effects import channel_effects
        from featuremaps.shortcuts.options import ShortcutOptions
        from featuremaps.survey.survey import survey_of

        options = ShortcutOptions(per_class=per_class, seed=seed, batch_size=batch_size)
        surveyed = survey_of(survey, self._studied)
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

        Args:
            shortcut: A finding of `find_shortcuts`.
            survey: The survey that it was found in, or another with labels.
            how: One way: "projection", "channels", "balanced_head", "hard_head", or "fine_tune" and "right_reason",
                which train a copy and are tried only where they are named; "auto" tries the first four.
            groups: For each of the survey's pictures whether it has the shortcut; told by the shortcut itself without
                it.
            names: Which output a label of the survey means, where they are called differently: `{label: output}`.
            from_layer: With "fine_tune" and "right_reason", the layer after which all is trained; without it all layers
                with "fine_tune", with "right_reason" those after the first half.
            per_class: How many pictures of each class are taken, at random; all where there are fewer.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.

        Returns:
            The repair: what each way did to each group, and as `.scope` the repaired model's scope.

        Raises:
            OptionError: A way is not known, or the shortcut is of another model.
        """
        from featuremaps.repair.options import RepairOptions
        from featuremaps.repair.repairing import repair
        from featuremaps.shortcuts.shortcut import Shortcut
        from featuremaps.survey.survey import survey_of

        if not isinstance(shortcut, Shortcut):
            raise OptionError(f"shortcut is one that find_shortcuts found, such as found[0]; got {shortcut!r}.")
        first = None if from_layer is None else self._studied.one_named(from_layer)
        options = RepairOptions(how=how, from_layer=first, per_class=per_class, seed=seed, batch_size=batch_size)
        surveyed = survey_of(survey, self._studied)
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
        """What an edit changed over a survey's labelled pictures: by class, and with a shortcut by group.

        Args:
            edited: The edited scope, or a `Repair`.
            survey: A survey of labelled pictures.
            shortcut: Pictures with it and without are told apart.
            names: Which output a label of the survey means, where they are called differently: `{label: output}`.
            per_class: How many pictures of each class are taken, at random; all where there are fewer.
            seed: The seed of everything random.
            batch_size: How many pictures run at once.

        Returns:
            How often each is right before and after, with intervals of the difference.

        Raises:
            SurveyError: The survey has no labels, or is of another model.
        """
        from featuremaps.repair.before_after import before_after, notes_on
        from featuremaps.repair.repair import Repair
        from featuremaps.shortcuts.options import ShortcutOptions
        from featuremaps.survey.survey import survey_of

        other = edited.attempt if isinstance(edited, Repair) else edited
        if not isinstance(other, Scope):
            raise OptionError(f"edited is an edited scope, or what scope.repaired(…) gave; got {other!r}.")
        options = ShortcutOptions(per_class=per_class, seed=seed, batch_size=batch_size)
        surveyed = survey_of(survey, self._studied)
        layer = self.layers(surveyed.example(0)).last if shortcut is None else shortcut.layer
        changed = before_after(self._studied, other._studied, surveyed, layer, options, shortcut, names)
        return replace(changed, notes=notes_on(other.edits, surveyed))

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
    ) -> "PagePath":
        """Write one self-contained HTML file that explains each picture.

        A method that fails is shown as failed; the rest is written. Of a segmentation model it shows what each region
        rests on, of a detector what each box does.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            path: The file.
            methods: Names of methods, or their functions.
            layers: The layers; without it the last ones of the three deepest map sizes, of a detector all that its
                heads read, added up.
            targets: As for `compare`.
            title: The report's title.
            findings: Sentences that stand first.
            anatomy: Whether the walk through the layers, their channels and the first filters are in it.
            draw: Units whose strongest pictures and drawings are in it.
            survey: What a whole dataset says.
            carry_to: Other surveys by name, on which the survey's detectors are tested.
            trial: Which explanation to believe.
            shortcuts: What the answers rest on.
            repair: How one of them was taken out.
            before_after: What that changed.
            command: The command that makes this report again.
            options: The methods' own, by name.
            layout: How the tokens of layers lie, for this call only; see `Scope`.
            **explaining: Other options of `compare`: smooth, seed, precision, batch_size.

        Returns:
            The path of the file, which shows the page in a notebook; `.show()` opens it in the browser.

        Raises:
            ImageError: No picture can be read.
        """
        from featuremaps.draw import DrawOptions
        from featuremaps.report.boxes import boxes_sections
        from featuremaps.report.explanation_report import further_sections
        from featuremaps.report.regions import regions_sections
        from featuremaps.report.shortcuts import shortcuts_sections

        how = made(ExplainOptions, of_methods=options or {}, **explaining)
        seen_pictures = self.see(pictures)
        shown = self._as(layout).walk(probe(seen_pictures.seen)).shown if layers is None else layers
        comparison = self._compare(seen_pictures, methods, shown, targets, how, keep_failures=True, layout=layout)
        units = [draw] if isinstance(draw, str) else list(draw)
        drawn = DrawOptions(seed=how.seed)
        suspected = shortcuts_sections(shortcuts, repair, before_after)
        more = further_sections(
            self._as(layout), seen_pictures.seen, units, survey, carry_to, trial, inside=anatomy, options=drawn
        )
        divided = regions_sections(self._as(layout), seen_pictures.seen, comparison)
        boxes = boxes_sections(self._as(layout), seen_pictures.seen, comparison, targets)
        more = [*suspected, *divided, *boxes, *more]
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
    ) -> "PagePath":
        """Write a comparison that is already there as one HTML file.

        Args:
            comparison: From `compare`.
            seen_pictures: The same pictures, from `see`.
            path: The file.
            title: The report's title.
            findings: Sentences that stand first.
            more: Sections that stand below.
            command: The command that makes this report again.

        Returns:
            The path of the file, which shows the page in a notebook; `.show()` opens it in the browser.
        """
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
    ) -> "PagePath":
        """Write one HTML file that asks the five questions of a survey.

        Args:
            survey: A survey of this model.
            path: The file.
            carry_to: Other surveys by name, on which its detectors are tested.
            layer: The layer that is asked about; the survey's deepest without it.
            shortcuts: What the answers rest on, which stands first.
            repair: How one of them was taken out.
            before_after: What that changed.
            title: The report's title.
            command: The command that makes this report again.

        Returns:
            The path of the file, which shows the page in a notebook; `.show()` opens it in the browser.
        """
        from featuremaps.report.shortcuts import shortcuts_sections
        from featuremaps.report.survey_report import write_survey_report
        from featuremaps.survey.survey import survey_of

        known = survey_of(survey, self._studied)
        name = None if layer is None else self._studied.one_named(layer)
        first = shortcuts_sections(shortcuts, repair, before_after)
        return write_survey_report(
            known, path, carry_to=carry_to, layer=name, title=title, first=first, command=command
        )

    def report_concept(
        self,
        concept: "Concept",
        path: str | Path = "report.html",
        *,
        sensitivity: "Sensitivity | None" = None,
        title: str = "",
        command: str = "",
    ) -> "PagePath":
        """Write one HTML file of a concept: its pictures, how well a layer tells it, which classes rest on it.

        Args:
            concept: From `concept`; one that was opened from a folder has no pictures.
            path: The file.
            sensitivity: Which classes rest on it, from `sensitivity`.
            title: The report's title.
            command: The command that makes this report again.

        Returns:
            The path of the file, which shows the page in a notebook; `.show()` opens it in the browser.

        Raises:
            OptionError: Something else is given, or the sensitivity of another concept.
        """
        from featuremaps.report.concepts import write_concept_report

        return write_concept_report(self._studied, concept, path, sensitivity, title=title, command=command)

    def inside(self, pictures: object) -> "tuple[Section, ...]":
        """Sections of a report on what is inside the model: its layers for these pictures, and its first filters.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).

        Returns:
            The sections, for `write_report(more=…)`.
        """
        from featuremaps.report.model_sections import inside

        return inside(self._studied, self.see(pictures).seen)

    def patterns(
        self,
        pictures: object,
        units: Sequence[str],
        drawings: "Sequence[Drawing]" = (),
        remarks: Mapping[str, str] = MappingProxyType({}),
    ) -> "Section":
        """A section of a report on what units look for: their strongest pictures, and what was drawn of them.

        Args:
            pictures: A path, a folder, a list, PIL pictures, arrays, a Dataset, or a tensor (already preprocessed).
            units: Channels such as "layer4:452".
            drawings: Drawings of them, from `draw`.
            remarks: A sentence about a unit, by its name.

        Returns:
            The section, for `write_report(more=…)`.
        """
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

        Args:
            survey: A survey of this model.
            folder: Where the pages are written; `folder/unit.html` is a wall of all, to search, filter and sort.
            units: The units, such as "layer4:452"; all without it.
            n: How many of a unit's strongest pictures are shown, with this model's maps over them.
            drawings: Drawings of units, which stand beside their pictures.

        Returns:
            The path of the page.
        """
        from featuremaps.report.unit_pages import write_unit_pages
        from featuremaps.survey.survey import survey_of

        drawn = {one.name: one.over() for one in drawings or ()}
        known = survey_of(survey, self._studied)
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
        with in_turn(self.model):
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

    def _repr_html_(self) -> str:
        classes = self.classes or ()
        named = ", ".join(map(str, classes[:8])) + (f" and {len(classes) - 8} more" if len(classes) > 8 else "")
        rows = {
            "model": type(self.model).__name__,
            "parameters": f"{sum(each.numel() for each in self.model.parameters()):,}",
            "classes": named or "without names",
            "pictures": self.preprocessing.describe(),
        }
        return card(f"{self.name}, under study", rows)


def _means(survey: "Survey", layer: str) -> torch.Tensor:
    """The mean activation of a layer's channels over a survey's pictures."""
    survey.check_of_pictures("the mean at which a channel is held")
    return torch.from_numpy(survey.vectors(survey.layer_of(layer).name).mean(0))


def _chosen(
    trial: object, model: nn.Module, method: MethodLike, layer: LayerLike
) -> tuple[str, str, Mapping[str, Any]]:
    """The method and layer that came first in a trial, of those that are named, and the method's options there."""
    from featuremaps.evidence.trial import Trial

    if not isinstance(trial, Trial):
        raise OptionError(
            f"'best' is what came first in a trial: give trial=scope.trial(pictures), or fm.open_trial(folder); got "
            f"{trial!r}."
        )
    trial.check_model(model)
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
