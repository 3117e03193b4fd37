"""A shortcut: what the answers to a class rest on, in which pictures, and what proves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.editing.edits import Removal
from featuremaps.shortcuts.attributes import Attribute
from featuremaps.shortcuts.estimates import Difference
from featuremaps.survey.measures.proportions import Interval, Rate
from featuremaps.survey.storage.reader import StoredSurvey


@dataclass(frozen=True, eq=False)
class Intervention:
    """The class's mean probability in some pictures, before and after an attribute was taken out or put in.

    `change` has its interval, `control` is the largest change the same way by random directions of equal length.
    `wanted` is −1 where the probability should fall, as for what was taken out, and 1 where it should rise.
    """

    before: float
    after: float
    change: Difference
    control: float
    pictures: int
    wanted: int

    @property
    def holds(self) -> bool:
        """Whether the change is as it should be, beyond chance and beyond every control."""
        return self.change.sure and self.wanted * self.change.value > self.control

    @property
    def interval(self) -> Interval:
        """Where the probability lies after it."""
        low, high = (min(max(self.before + end, 0.0), 1.0) for end in self.change.interval)
        return Interval(low, high)


@dataclass(frozen=True, eq=False)
class InOtherPictures:
    """An attribute in other pictures: how many have it, how much more probable its class is there, label by label.

    `effect` is None where too few have it, or lack it. `p_value` is corrected for the number of findings.
    """

    having: Rate
    effect: Difference | None
    called_with: Rate
    called_without: Rate
    p_value: float

    @property
    def confirms(self) -> bool:
        """Whether the class is more probable with it there, beyond chance."""
        return self.effect is not None and self.effect.interval.low > 0 and self.p_value <= 0.05


@dataclass(frozen=True, eq=False)
class ExampleRows:
    """Rows of the survey, clearest first: the class's pictures with it and without it, and others' with it."""

    strongest: tuple[int, ...]
    missing: tuple[int, ...]
    counter: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Shortcut:
    """Something that raises the answer `label` in pictures that have it, whatever they show.

    `prevalence` says how many of the class's pictures have it, and `elsewhere` how many others. `own` is how much more
    probable the class is in its own pictures with it than in those without, `others` the same in pictures of other
    classes, compared class by class. `right_with` and `right_without` are the class's pictures that are called right,
    `called_with` and `called_without` the other classes' that are called it. `taken_out` and `put_in` are the proof by
    intervention. `p_value` is corrected for all that was tried (Holm 1979). `called` says what the model calls the
    pictures of `examples`, and `removal` is the edit that takes it out. `rows` of the `survey` were looked at, in the
    order of the attribute's; in other pictures it is where the layer's mean lies above `threshold` along `direction`.
    `survey` is that one's identity. Where it is `undecided`, wrong labels would look alike (see `label_noise`).
    `raises` and `lowers` are the other classes that it makes more probable, and less. `in_other_pictures` is what it
    does in other pictures, where there were any; the `p_value` is then that of both together. `weights` is a digest of
    the model up to the layer. It may stand where a unit does, in maps and drawings.
    """

    label: str
    attribute: Attribute
    layer: str
    prevalence: Rate
    elsewhere: Rate
    own: Difference | None
    others: Difference | None
    right_with: Rate
    right_without: Rate
    called_with: Rate
    called_without: Rate
    taken_out: Intervention | None
    put_in: Intervention | None
    p_value: float
    examples: ExampleRows
    removal: Removal = field(repr=False)
    called: Mapping[int, str] = field(repr=False)
    survey: str = field(repr=False)
    rows: Int[np.ndarray, " picture"] = field(repr=False)
    direction: Float[np.ndarray, " channel"] = field(repr=False)
    threshold: float = field(repr=False)
    undecided: bool = False
    raises: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()
    in_other_pictures: InOtherPictures | None = None
    weights: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """What it is called where a unit has an address."""
        return f"the shortcut to {self.label}"

    @property
    def vector(self) -> Float[Tensor, " channel"]:
        """The direction, of length 1."""
        return torch.from_numpy(self.direction / np.linalg.norm(self.direction)).float()

    @property
    def origin(self) -> float:
        """Where on it pictures without it lie: what counts as 0 in maps."""
        return float(self.vector @ (self.removal.values @ self.removal.directions))

    @property
    def effect(self) -> Difference:
        """How much more probable the class is with it: in its own pictures, or else in others where that is surer."""
        known = [each for each in (self.own, self.others) if each is not None]
        return next((each for each in known if each.interval.low > 0), known[0])

    @property
    def proven(self) -> bool:
        """Whether its effect is beyond chance, and taking it out, or putting it in, bears that out."""
        return self.effect.interval.low > 0 and self.borne_out

    @property
    def borne_out(self) -> bool:
        """Whether taking it out, or putting it in, changes the answer as it should, beyond every control."""
        return any(each is not None and each.holds for each in (self.taken_out, self.put_in))

    def present_in(
        self, survey: StoredSurvey, rows: Int[np.ndarray, " picture"], means: Float[np.ndarray, "picture channel"]
    ) -> Bool[np.ndarray, " picture"]:
        """Which pictures of a survey have it, given the layer's means in them."""
        present: Bool[np.ndarray, " picture"] = means @ self.direction > self.threshold
        if survey.identity == self.survey:
            known = dict(zip(self.rows.tolist(), self.attribute.present.tolist(), strict=True))
            present = np.array([known.get(row, has) for row, has in zip(rows.tolist(), present, strict=True)], bool)
        return present
