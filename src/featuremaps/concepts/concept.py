"""A concept: a direction in a layer that leads from pictures without something to pictures with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.concepts.concept_figure import ShownConcept, concept_figure
from featuremaps.concepts.directions import How
from featuremaps.concepts.held_out import HeldOut
from featuremaps.editing.edits import Removal, direction_out
from featuremaps.errors import SurveyError, check_choice
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import png_of
from featuremaps.results.shown import Shown
from featuremaps.survey.measures.proportions import Rate
from featuremaps.survey.storage.json_and_safetensors import read_numbers, read_words, write

Features = Float[np.ndarray, "picture channel"]


@dataclass(frozen=True, eq=False)
class Concept(Shown):
    """A direction in the channels of `layer`, usable where a unit is: in maps, draw, without, find_shortcuts.

    `scope.concept` makes it and `open_concept` reads a saved one. Source: Kim et al. 2018 (concept activation vectors),
    Haufe et al. 2014 ("pattern"), Anders et al. 2022 (`removal`).

    Attributes:
        name: What the pictures with it have in common, in words.
        against: What the pictures without it are.
        layer: The layer's address.
        how: Which of `vectors` is used: "pattern", "ridge" or "mean_difference".
        vectors: The direction (channel,) by each way, all of length 1.
        features: The layer's activations (picture, channel) in the pictures that it was made of, averaged over places.
        has: (picture,), which of these pictures have the concept.
        held_out: By each way, how well its direction tells pictures that it was not made of.
        names: What these pictures are called.
        model: The model that it was found in, in words.
        weights: A digest (sha256) of the model up to the layer, by which another model is told.
        notes: What should be known beside it, in sentences.
        pictures: The pictures as the model saw them; empty where they are not at hand.
    """

    name: str
    against: str
    layer: str
    how: How
    vectors: Mapping[How, Float[np.ndarray, " channel"]] = field(repr=False)
    features: Features = field(repr=False)
    has: Bool[np.ndarray, " picture"] = field(repr=False)
    held_out: Mapping[How, HeldOut] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    model: str = ""
    weights: str = field(default="", repr=False)
    notes: tuple[str, ...] = ()
    pictures: tuple[Seen, ...] = field(default=(), repr=False)

    @property
    def vector(self) -> Float[Tensor, " channel"]:
        """The direction that is used, of length 1."""
        return torch.from_numpy(self.vectors[self.how]).float()

    @property
    def strengths(self) -> Float[np.ndarray, " picture"]:
        """How far each of its own pictures lies along it, from where those without it lie on average."""
        return self.features @ self.vectors[self.how] - self.origin

    @property
    def origin(self) -> float:
        """Where on the direction the pictures without it lie on average: what counts as 0 in maps."""
        return float(self.features[~self.has].mean(0) @ self.vectors[self.how])

    @property
    def threshold(self) -> float:
        """Half-way between the pictures without it and those with it, along the direction."""
        return self.origin + float(self.strengths[self.has].mean()) / 2

    @property
    def removal(self) -> Removal:
        """The edit that holds the direction where the pictures without it have it (P-ClArC, Anders et al. 2022)."""
        at = torch.from_numpy(self.features[~self.has].mean(0)).float()
        return direction_out(self.layer, self.vector[None], at, f"without {self.name}")

    @property
    def beyond_chance(self) -> bool:
        """Whether the layer tells the two kinds of pictures apart at all, in pictures held out."""
        return self.held_out[self.how].beyond_chance

    def by(self, how: How) -> "Concept":
        """The same concept with another way's direction.

        Args:
            how: "pattern" (how the channels change with the concept), "ridge" (what tells it best) or
                "mean_difference".

        Returns:
            A new concept.

        Raises:
            OptionError: There is no such way.
        """
        check_choice("how", how, get_args(How))
        return replace(self, how=how)

    def cosine(self, how: How) -> float:
        """How near another way's direction is to the one that is used.

        Args:
            how: "pattern", "ridge" or "mean_difference".

        Returns:
            The cosine of the angle between them, −1 to 1; 1 where they are the same.

        Raises:
            OptionError: There is no such way.
        """
        check_choice("how", how, get_args(How))
        return float(self.vectors[how] @ self.vectors[self.how])

    def present(self, means: Float[np.ndarray, "other channel"]) -> Bool[np.ndarray, " other"]:
        """Which other pictures have it: those that lie above `threshold` along the direction.

        Args:
            means: (other, channel), the layer's activations in them, averaged over places.

        Returns:
            (other,), true or false.
        """
        return means @ self.vectors[self.how] > self.threshold

    def figure(self) -> Figure:
        """Pictures of both kinds in order along it, where they lie held out, and how well each way tells them apart."""
        ways = {str(way): (told, self.cosine(way), way == self.how) for way, told in self.held_out.items()}
        shown = ShownConcept(self.name, self.against, self.layer, self.has, self.strengths, ways, self.pictures)
        return concept_figure(shown)

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write the figure (PNG), the numbers (safetensors) and what is said (JSON); `open_concept` reads them.

        Args:
            folder: Where they are written; it is made where it is not there.

        Returns:
            The three files.
        """
        words: dict[str, Any] = {
            name: getattr(self, name) for name in ("name", "against", "layer", "how", "model", "weights")
        }
        words |= {"names": list(self.names), "notes": list(self.notes), "held_out": {}}
        numbers = {"features": torch.from_numpy(self.features), "has": torch.from_numpy(self.has)}
        for how, told in self.held_out.items():
            numbers[f"vector {how}"] = torch.from_numpy(self.vectors[how])
            numbers[f"scores {how}"] = torch.from_numpy(told.scores)
            low, high = told.interval
            words["held_out"][how] = {"accuracy": told.accuracy, "low": low, "high": high, "cosine": self.cosine(how)}
            words["held_out"][how] |= {"with": [told.positive.count, told.positive.of]}
            words["held_out"][how] |= {"without": [told.negative.count, told.negative.of]}
        place = write(Path(folder), KIND, words, numbers)
        (place / f"{KIND}.png").write_bytes(png_of(self.figure()))
        return [place / f"{KIND}.{ending}" for ending in ("png", "safetensors", "json")]

    def __repr__(self) -> str:
        count = int(self.has.sum())
        of = f" of {self.model}" if self.model else ""
        lines = [
            f"<Concept “{self.name}” in {self.layer}{of}: {count} pictures with it, {len(self.has) - count} without"
        ]
        if not self.beyond_chance:
            lines.append(f"  NOT TOLD IN THIS LAYER: {self.held_out[self.how].words()} is not beyond chance (50%)")
        for how, told in self.held_out.items():
            used = "used" if how == self.how else f"cosine {self.cosine(how):.2f}"
            lines.append(f"  {how.replace('_', ' ')}: right in {told.words()} of held-out pictures, {used}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


KIND = "concept"


def open_concept(folder: str | Path) -> Concept:
    """A concept that `Concept.save` wrote, without its pictures.

    It is checked where it is used: a direction means something only in the model that it was found in.

    Args:
        folder: Where it was saved.

    Returns:
        The concept.

    Raises:
        SurveyError: Files are missing or damaged.
    """
    words, numbers = read_words(Path(folder), KIND), read_numbers(Path(folder), KIND)
    try:
        held_out = {
            how: HeldOut(Rate(*told["with"]), Rate(*told["without"]), numbers[f"scores {how}"].numpy())
            for how, told in words["held_out"].items()
        }
        said = {name: words[name] for name in ("name", "against", "layer", "how", "model", "weights")}
        return Concept(
            **said,
            vectors={how: numbers[f"vector {how}"].numpy() for how in held_out},
            features=numbers["features"].numpy(),
            has=numbers["has"].numpy(),
            held_out=held_out,
            names=tuple(words["names"]),
            notes=tuple(words["notes"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SurveyError(
            f"{folder} does not describe a concept ({type(error).__name__}: {error}). Save the concept again."
        ) from error
