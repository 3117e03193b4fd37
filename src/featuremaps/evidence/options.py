"""How a trial is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from featuremaps.errors import OptionError, did_you_mean
from featuremaps.evidence.registry import MEASURES
from featuremaps.methods.passes import PassOptions
from featuremaps.options import Help

USUAL = ("deletion", "insertion")
WITH_MASKS = ("pointing_game", "energy_inside")


@dataclass(frozen=True, kw_only=True)
class TrialOptions(PassOptions):
    """The options of a trial.

    `measures` are those of `USUAL`, and of `WITH_MASKS` where masks are given, unless named. `weights` says how much
    each counts in the consensus: by default all measures of faithfulness alike, the others not. `budget` ends the trial
    at so many passes through the model: pictures that would go beyond it are left out, and said. Pictures of one size
    run together, up to `batch_size` at a time. `of_methods` and `of_measures` are the options of single methods and
    measures, by their names. Raises `OptionError`.
    """

    measures: str | tuple[str, ...] = "usual"
    weights: Mapping[str, float] | None = None
    budget: Annotated[
        int | None, Help("Passes through the model after which no further picture is tried.", least=1)
    ] = None
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 8
    of_methods: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    of_measures: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.weights or {}:
            MEASURES.find(name)
        for name, options in self.of_measures.items():
            known = MEASURES.find(name).options
            for option in options:
                if option not in known:
                    raise OptionError(
                        f"measure {name!r} has no option {option!r}; it takes {', '.join(known) or 'none'}."
                        f"{did_you_mean(option, known)}"
                    )

    def named(self, masks: bool) -> tuple[str, ...]:
        """The measures by name; `masks` whether the place of the object is known."""
        if self.measures == "usual":
            return USUAL + (WITH_MASKS if masks else ())
        names = (self.measures,) if isinstance(self.measures, str) else tuple(self.measures)
        for name in names:
            MEASURES.find(name)
        return tuple(dict.fromkeys(names))
