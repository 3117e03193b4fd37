"""One chunk of pictures, all explanations of it and the references: every measure of each of them."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsError, MethodError, OptionError, TargetError, WrittenError
from featuremaps.evidence.copies import KnownScores
from featuremaps.evidence.curves import Curve, Curves, Order
from featuremaps.evidence.explainer import Explainer, Key
from featuremaps.evidence.fills import Fill
from featuremaps.evidence.greedy import greedy_map
from featuremaps.evidence.measured import Measured, ranks
from featuremaps.evidence.mosaics import Mosaics
from featuremaps.evidence.options import TrialOptions
from featuremaps.evidence.references import REFERENCE, Reference, references
from featuremaps.evidence.registry import MEASURES, Measure
from featuremaps.evidence.shapes import CurveOf, Heatmap, Inputs, Masks
from featuremaps.explain.comparison import Comparison, Explanation
from featuremaps.explain.request import Request
from featuremaps.methods.needs import NEEDS
from featuremaps.methods.passes import Pass
from featuremaps.options import PassOptions
from featuremaps.registry import unwritten
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.runtime.recording import take
from featuremaps.runtime.run_errors import out_of_memory
from featuremaps.session import Session
from featuremaps.targets.bound import Bound

INVERTED, GREEDY = ("inverted", REFERENCE), ("greedy", REFERENCE)
"""The mean order of all methods upside down, and the best map that a measure lets be built."""
WITHOUT = {
    "masks": "where the object is was not given",
    "target": "what is explained is no class",
    "classes": "what is explained is no class",
    "random_label_heatmap": "no model trained on shuffled labels was given: random_label_model=, or what trains it",
    "mosaic": "mosaics are for a class of a whole picture, and what is explained is none",
}
NO_MAP = "no map was made: "
NOT_BY_A_METHOD = "this is no method's map, and nothing explains anew"
BY_THE_MAP = {"heatmap", "curve", "inputs", "score", "probability", "masks", "target", "classes", "generator"}
"""What a measure may name that is there for any map, whoever made it."""
WHEN_ASKED = {"mosaic", "random_label_heatmap"}
"""Needs that are made for the measures that name them alone: functions until then."""
Needs = dict[str, Any]


class Examination:
    """A chunk of pictures: the maps of all methods and the references, and what measures are supplied with.

    `rows` are the numbers of the pictures, `masks` where their objects are, if that is known. `comparison` has the maps
    of the methods, `mosaics` what mosaics are laid of, and `random_label_model` was trained on shuffled labels; both
    only where a measure asks for them.
    """

    def __init__(
        self,
        session: Session,
        inputs: Inputs,
        rows: Sequence[int],
        request: Request,
        comparison: Comparison,
        options: TrialOptions,
        masks: Masks | None = None,
        *,
        mosaics: Mosaics | None = None,
        random_label_model: nn.Module | None = None,
    ) -> None:
        target = next(iter(request.targets.values()))
        record = take(session, inputs, (), [target], classes=request.classes, gradients=False)
        given = Pass(session, record, "input", options=PassOptions(seed=options.seed))
        bound = _only(record.targets)
        self._inputs, self._rows, self._options = record.inputs.float(), rows, options
        self._score, self._probability = (KnownScores(NEEDS[name].supply(given)) for name in ("score", "probability"))
        self._explainer = Explainer(session, self._inputs, request, bound)
        self._heatmaps = {key[:2]: heatmaps_of(explained) for key, explained in comparison.items()}
        self._failures = {key[:2]: reason for key, reason in comparison.failures.items()}
        self._curves = Curves(self._inputs, self._probability, seed=options.seed)
        self._curve_of: dict[Heatmap, CurveOf] = {}  # a tensor is a key as the thing it is, not by its values
        self._made: dict[tuple[Key, Order, Fill], Curve] = {}
        self._asked: set[tuple[Order, Fill]] = set()
        self._greedy: dict[tuple[Order, Fill], Heatmap] = {}
        self._shared: Needs = {
            "inputs": self._inputs,
            "score": self._score.remembered,
            "probability": self._probability.remembered,
        }
        self._mosaic = None if mosaics is None else mosaics.of(self._inputs, rows)
        self._random_label_model = random_label_model
        if self._mosaic is not None:
            self._shared["cells"] = self._mosaic.cells
        if masks is not None:
            self._shared["masks"] = masks.to(self._inputs.device)
        if bound.indices is not None and bound.every_class is not None:
            self._shared["target"] = bound.indices
            self._shared["classes"] = int(bound.every_class(record.outputs, 1).shape[1])

    @property
    def judged(self) -> int:
        """How many maps of each picture measures are asked about: those of methods, and the references."""
        return len(self._heatmaps) + len(self._failures) + len(references((), 0)) + len((INVERTED, GREEDY))

    @property
    def curves(self) -> dict[tuple[Key, Order, Fill], Tensor]:
        """The probabilities (batch, point) that measures asked for, NaN where none did."""
        return {key: curve.scored().cpu() for key, curve in self._made.items()}

    def measurements(self, names: Sequence[str]) -> Iterator[tuple[Key, str, Measured]]:
        """Every measure of every method's maps, and of the references: a key, the measure's name, and what it says."""
        drawn = references(self._rows, self._options.seed)
        maps = {(name, REFERENCE): make(self._inputs) for name, make in drawn.items()}
        upright = [ranks(-heatmap) for heatmap in self._heatmaps.values()]
        upside_down = -torch.stack(upright).sum(0).to(self._inputs) if upright else None
        for name in names:
            measure = MEASURES.find(name)
            self._asked.clear()
            for key in self._heatmaps:
                yield key, name, self._measured(measure, self.needs_of(key))
            for key, reason in self._failures.items():
                yield key, name, undefined(len(self._inputs), f"{NO_MAP}{_plain(reason)}")
            for key, heatmap in maps.items():
                needs: Needs = {"explain_again": partial(_again, drawn[key[0]], self._inputs)}
                if self._mosaic is not None:
                    needs["mosaic"] = partial(drawn[key[0]], self._mosaic.inputs)
                yield key, name, self._measured(measure, self._of_map(heatmap, key) | needs)
            if upside_down is not None and BY_THE_MAP.issuperset(measure.needs):
                yield INVERTED, name, self._measured(measure, self._of_map(upside_down, INVERTED))
            if self._asked:
                best = self._best_map(max(self._asked))  # of several curves that of the most relevant places
                yield GREEDY, name, self._measured(measure, self._of_map(best, GREEDY))
            self._explainer.forget()

    def _of_map(self, heatmap: Heatmap, key: Key) -> Needs:
        """What a measure may name of a map, whoever made it; the curves that it asks for are kept under `key`."""
        if heatmap not in self._curve_of:
            self._curve_of[heatmap] = self._curves.of(heatmap)
        curve = self._curve_of[heatmap]

        def kept(order: Order, fill: Fill, steps: int) -> Curve:
            made = curve(order, fill, steps)
            self._asked.add((order, fill))
            known = self._made.setdefault((key, order, fill), made)
            if steps > known.steps:
                self._made[key, order, fill] = made
            return made

        return self._shared | {"heatmap": heatmap, "curve": kept}

    def needs_of(self, key: Key) -> Needs:
        """All that a measure may name of one method's maps."""
        given: Needs = {}
        if self._mosaic is not None:
            given["mosaic"] = partial(self._explainer.mosaic, key, self._mosaic.inputs)
        if self._random_label_model is not None:
            given["random_label_heatmap"] = partial(self._explainer.random_labels, key, self._random_label_model)
        return (
            self._of_map(self._heatmaps[key], key)
            | given
            | {
                "explain_again": partial(self._explainer.again, key),
                "explain_seeded": partial(self._explainer.seeded, key),
                "explain_class": partial(self._explainer.of_class, key),
                "explain_randomised": partial(self._explainer.randomised, key),
            }
        )

    def _measured(self, measure: Measure, needs: Needs) -> Measured:
        """What a measure says; undefined, with the reason, where it fails or something that it needs is not there."""
        supplied = needs | {"generator": self._options.generator}
        missing = [name for name in measure.needs if name not in supplied]
        if missing:
            return undefined(len(self._inputs), WITHOUT.get(missing[0], NOT_BY_A_METHOD))
        options = self._options.of_measures.get(measure.name, {})
        try:
            given = [supplied[name]() if name in WHEN_ASKED else supplied[name] for name in measure.needs]
            with torch.no_grad(), unwritten(measure, given):
                said = said_by(measure, measure.formula(*given, **options), len(self._inputs))
            if self._mosaic is None or "mosaic" not in measure.needs:
                return said
            return self._mosaic.judged(said)
        except (OptionError, WrittenError):
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            reason = str(error) if isinstance(error, FeatureMapsError) else f"{type(error).__name__}: {error}"
            return undefined(len(self._inputs), reason)

    def _best_map(self, curve: tuple[Order, Fill]) -> Heatmap:
        """The greedy map of a curve; the mean colour stands for imputation, which every try would have to wait for."""
        order, fill = curve
        sought: tuple[Order, Fill] = (order, "mean" if fill == "linear" else fill)
        if sought not in self._greedy:
            self._greedy[sought] = greedy_map(self._inputs, self._curves.filling, self._probability, *sought)
        return self._greedy[sought]


def _only(targets: Sequence[Bound]) -> Bound:
    """The one target that explanations are measured for; `TargetError` where a detector found several, or none."""
    if len(targets) != 1 or None in (targets[0].boxes or ()):
        raise TargetError(
            "a trial measures one explanation of each picture, and a detector finds several things, or none: say "
            "which, target=featuremaps.Detection(0) for the surest of each picture (--detection 0 on the command "
            "line), or featuremaps.Box(…)."
        )
    return targets[0]


def heatmaps_of(explained: Explanation) -> Heatmap:
    """Raw maps (batch, *space) of the inputs' size: a method's own, enlarged, or its values with colours collapsed."""
    heat = explained if isinstance(explained, Heatmaps) else explained.map()
    return heat.upsample().tensor


def said_by(measure: Measure, said: object, pictures: int) -> Measured:
    """What a measure gave for so many pictures, with a reason where there is no number; `MethodError` for other."""
    if not isinstance(said, Measured) or len(said.values) != pictures:
        gave = f"{len(said.values)} numbers" if isinstance(said, Measured) else f"a {type(said).__name__}"
        raise MethodError(f"measure {measure.name!r} must give a Measured of {pictures} numbers; it gave {gave}.")
    return said.where(said.values.isfinite(), "the measure gave a number that is not finite")


def undefined(pictures: int, reason: str) -> Measured:
    """No number for any of so many pictures, and why."""
    return Measured(torch.full((pictures,), torch.nan), (reason,) * pictures)


def _plain(reason: str) -> str:
    """Why a method made no map, without the class of an error that says it in words itself."""
    kind, _, said = reason.partition(": ")
    refused = {each.__name__ for each in (MethodError, OptionError, TargetError)}
    return said if kind in refused else reason


def _again(make: Reference, inputs: Inputs, new: Inputs) -> Heatmap:
    """A reference's maps of new inputs, picture by picture."""
    copies = new.reshape(len(inputs), -1, *new.shape[1:])
    return torch.stack([make(copies[:, k]) for k in range(copies.shape[1])], 1).flatten(0, 1)
