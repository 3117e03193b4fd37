"""What a reader meets first: the finding, the pictures that prove it, and a few answers that lead on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from featuremaps.report.encode import Json, picture_json, plain, plain_fields

MOST_CARDS = 4
LONGEST = 320
"""The longest side of a card's picture, in pixels."""


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture with what a model answers, and the map that explains the answer, where there is one.

    `title` stands above (the model's name, say), `name` says what the picture shows. `probability` lies between 0 and
    1; `right` is None where the truth is not known. `map` is signed, at its layer's resolution, of `method` at `layer`
    for `target`, made by the Python in `code`.
    """

    title: str
    name: str
    picture: Image
    answer: str = ""
    probability: float | None = None
    right: bool | None = None
    map: Float[Tensor, "height width"] | None = None
    method: str = ""
    layer: str = ""
    target: str = ""
    code: str = ""


@dataclass(frozen=True)
class Change:
    """A share of 1 on a card, and what it was `before`, if anything; `low` and `high` are its interval."""

    name: str
    value: float
    before: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Card:
    """A question with its answer in a sentence, a small picture or a few shares, and where in the report to read on.

    Several pictures stand beside each other, by what is written below each.
    `section` is the title of a section, `link` the words of the link to it; without such a section there is no link.
    `right` says whether the answer is good news, None where it is neither.
    """

    title: str
    sentence: str
    picture: Image | Mapping[str, Image] | None = None
    changes: Sequence[Change] = ()
    section: str = ""
    link: str = ""
    right: bool | None = None


@dataclass(frozen=True, eq=False)
class FirstScreen:
    """One sentence below the title, up to two pictures side by side, up to four cards."""

    lead: str = ""
    panels: Sequence[Panel] = ()
    cards: Sequence[Card] = ()

    def to_json(self, places: Sequence[str]) -> Json:
        """Everything shown; `places` are the titles of the sections, in order, that cards lead to."""
        return {
            "lead": self.lead,
            "panels": [plain(vars(panel)) for panel in self.panels],
            "cards": [_card(card, places) for card in self.cards[:MOST_CARDS]],
        }


def _card(card: Card, places: Sequence[str]) -> Json:
    place = places.index(card.section) + 1 if card.section in places else None
    known = dict(vars(card))
    picture = known.pop("picture")
    captioned = picture if isinstance(picture, Mapping) else {"": picture} if picture is not None else {}
    known["pictures"] = [{"image": image, "caption": caption} for caption, image in captioned.items()]
    return plain_fields(known, lambda image: picture_json(image, LONGEST)) | {"place": place}
