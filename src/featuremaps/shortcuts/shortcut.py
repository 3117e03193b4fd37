"""A shortcut: what the answers to a class rest on, in which pictures, and what proves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from featuremaps.editing.edits import Removal
from featuremaps.shortcuts.attributes import Attribute
from featuremaps.shortcuts.estimates import Difference
from featuremaps.survey.measures.proportions import Rate


@dataclass(frozen=True, eq=False)
class Intervention:
    """The class's mean probability in some pictures, before and after an attribute was taken out or put in.

    `change` has its interval, `control` is the largest change the same way by random directions of equal length.
    """

    before: float
    after: float
    change: Difference
    control: float
    pictures: int

    @property
    def holds(self) -> bool:
        """Whether the change is beyond chance and beyond every control."""
        return self.change.sure and abs(self.change.value) > self.control


@dataclass(frozen=True, eq=False)
class Examples:
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
    pictures of `examples`, and `removal` is the edit that takes it out.
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
    examples: Examples
    removal: Removal = field(repr=False)
    called: Mapping[int, str] = field(repr=False)

    @property
    def effect(self) -> Difference:
        """How much more probable the class is with it: in its own pictures, or else in others where that is surer."""
        known = [each for each in (self.own, self.others) if each is not None]
        return next((each for each in known if each.sure), known[0])

    @property
    def proven(self) -> bool:
        """Whether taking it out, or putting it in, changes the answer as it should, beyond every control."""
        return any(each is not None and each.holds for each in (self.taken_out, self.put_in))
