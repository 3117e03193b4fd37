"""How a trial is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from featuremaps.errors import OptionError
from featuremaps.options import Help, Seeded

USUAL = ("insertion", "sufficiency", "parameter_randomisation")
"""Of few measures those that put first what is truly best, where that is known (docs/evidence-truth.md); a check."""
TRIAL_METHODS = (
    "grad_cam",
    "grad_cam_pp",
    "layer_cam",
    "hires_cam",
    "ablation_cam",
    "guided_backprop",
    "integrated_gradients",
    "smooth_grad",
    "lrp",
    "occlusion",
)
"""What a trial compares unless other methods are named."""
WITH_MASKS = ("pointing_game", "energy_inside")


@dataclass(frozen=True, kw_only=True)
class TrialOptions(Seeded):
    """The options of a trial.

    `measures` are those of `USUAL`, and of `WITH_MASKS` where masks are given, unless named. `weights` says how much
    each counts in the consensus: by default all measures of faithfulness alike, the others only where none of these is
    named. Sanity checks, which make all maps anew several times, are made on the pictures that run first. `budget` ends
    the trial at so many passes through the model: pictures that would go beyond it are left out, and said. Pictures of
    one size run together, up to `batch_size` at a time. `of_names` are the options of single methods and measures, by
    their names. `random_label_model` is the model that the measure random_labels asks for, or a function that trains
    it; see `random_labels.py`. Raises `OptionError`.
    """

    measures: str | Sequence[str] = "usual"
    weights: Mapping[str, int | float] | None = None
    budget: Annotated[
        int | None, Help("Passes through the model after which no further picture is tried.", least=1)
    ] = None
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 4
    of_names: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    random_label_model: object = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.measures, Iterable):
            raise OptionError(f"measures are named, one or a list of several; got {self.measures!r}.")
        if not isinstance(self.measures, str):
            object.__setattr__(self, "measures", tuple(self.measures))
        for option, value in {"weights": self.weights or {}, "options": self.of_names}.items():
            if not isinstance(value, Mapping):
                raise OptionError(f"{option} is a dict that has measures by name; got {value!r}.")
        for name, weight in (self.weights or {}).items():
            if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
                raise OptionError(f"a weight is how much a measure counts, 0 or more; got {weight!r} for {name!r}.")
        self.weighted(self.named(masks=True))
        _ = self.of_measures

    @property
    def of_methods(self) -> dict[str, Mapping[str, object]]:
        """The options of methods."""
        from featuremaps.evidence.registry import MEASURES

        return {name: options for name, options in self.of_names.items() if name not in MEASURES}

    @property
    def of_measures(self) -> dict[str, dict[str, object]]:
        """The options of measures."""
        from featuremaps.evidence.registry import MEASURES

        return {name: MEASURES[name].checked(options) for name, options in self.of_names.items() if name in MEASURES}

    def named(self, masks: bool) -> tuple[str, ...]:
        """The measures by name; `masks` whether the place of the object is known."""
        if self.measures == "usual":
            return USUAL + (WITH_MASKS if masks else ())
        from featuremaps.evidence.registry import MEASURES

        names = (self.measures,) if isinstance(self.measures, str) else tuple(self.measures)
        if not names:
            raise OptionError(f"a trial takes at least one measure, of {', '.join(MEASURES)}.")
        for name in names:
            MEASURES.find(str(name))
        return tuple(dict.fromkeys(names))

    def needs(self, name: str, masks: bool) -> bool:
        """Whether one of the measures names this need."""
        from featuremaps.evidence.registry import MEASURES

        return any(name in MEASURES[measure].needs for measure in self.named(masks))

    def weighted(self, measures: Sequence[str]) -> dict[str, float]:
        """How much each of these measures counts; `OptionError` where none does, or another one is named."""
        from featuremaps.evidence.registry import MEASURES

        weights = self.weights
        if weights is None:
            weights = dict.fromkeys(
                [name for name in measures if MEASURES[name].family == "faithfulness"] or measures, 1
            )
        for name in weights:
            if name not in measures:
                raise OptionError(f"weights names {name!r}, which is not among the measures: {', '.join(measures)}.")
        if not sum(weights.values()):
            raise OptionError("weights has no measure that counts: give at least one a weight above 0.")
        return {name: float(weights.get(name, 0)) for name in measures}
