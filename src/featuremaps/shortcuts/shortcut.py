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

    `scope.find_shortcuts` finds it. It may stand where a unit does: `scope.maps(pictures, found[0])`,
    `scope.draw(found[0])`, `scope.without(found[0])`.

    Attributes:
        label: The class that it leads to.
        attribute: Which pictures have it, how clearly, and the number of the first layers that tells it best.
        layer: The layer in which it was proven.
        prevalence: How many of the class's pictures have it.
        elsewhere: How many of the other classes' pictures have it.
        own: How much more probable the class is in its own pictures with it than in those without, a difference of
            probabilities with its interval; `None` where too few have it, or lack it.
        others: The same in pictures of other classes, compared class by class.
        right_with: Of the class's pictures with it, how many are called right.
        right_without: Of those without it, how many.
        called_with: Of the other classes' pictures with it, how many are called the class.
        called_without: Of those without it, how many.
        taken_out: The proof: the class's probability before and after it was taken out of the layer in pictures that
            have it; `None` where that could not be tried.
        put_in: The same where it was put into pictures without it.
        p_value: Of the effect, corrected for all that was tried (Holm 1979); with other pictures that of both together
            (Fisher's method).
        examples: The clearest pictures, by their rows in the survey.
        removal: The edit that takes it out.
        called: What the model calls the pictures of `examples`, by row.
        survey: The identity of the survey that it was found in.
        rows: (picture,), the survey's rows that were looked at, in the order of the attribute's.
        direction: (channel,), along which other pictures are judged by the layer's mean in them.
        threshold: A picture has it where it lies above this along `direction`.
        undecided: Whether wrong labels would look alike.
        raises: The other classes that it makes more probable.
        lowers: The other classes that it makes less probable.
        in_other_pictures: What it does in other pictures; `None` where there were none.
        weights: A digest (sha256) of the model up to the layer, by which another model is told.
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
        """Which pictures of a survey have it: as it was found there in its own, else by the direction.

        Args:
            survey: Any survey with the same model.
            rows: (picture,), the pictures' rows in that survey.
            means: (picture, channel), the layer's activations in them, averaged over places.

        Returns:
            (picture,), true or false.
        """
        present: Bool[np.ndarray, " picture"] = means @ self.direction > self.threshold
        if survey.identity == self.survey:
            known = dict(zip(self.rows.tolist(), self.attribute.present.tolist(), strict=True))
            present = np.array([known.get(row, has) for row, has in zip(rows.tolist(), present, strict=True)], bool)
        return present
