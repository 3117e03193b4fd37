"""A picture of a survey as a report shows it: what a unit sees of it, the whole picture, and where the unit fires."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.report.encode import Json, picture_json, plain_fields, png_uri
from featuremaps.survey.analysis.top_pictures import TopPicture

LONGEST = 160
"""The longest side of a picture in these sections, in pixels."""

QUALITY = 82
"""There are hundreds of them, looked at side by side and small."""

small_picture = partial(picture_json, longest=LONGEST, quality=QUALITY)


@dataclass(frozen=True, eq=False)
class SurveyPicture:
    """One picture with how strong a unit is in it.

    `part` is what the unit sees, where that is less than all; `box` frames it in `picture`, in shares of its width and
    height (left, top, right, bottom). `map` is the unit's map over `picture`.
    """

    name: str
    picture: Image.Image
    value: float | None = None
    label: str = ""
    part: Image.Image | None = None
    box: tuple[float, float, float, float] | None = None
    map: Float[Tensor, "height width"] | None = None

    def to_json(self) -> Json:
        """The fields, the map as the opacity of a picture."""
        known = vars(self) | {"map": None if self.map is None else mask_uri(self.map)}
        return plain_fields(known, small_picture)


def pictured(top: TopPicture) -> SurveyPicture:
    """A picture of a unit: over what the model saw where the unit's map is known, else the original with a frame."""
    frame = top.frame
    part = None if frame is None else top.crop
    if top.map is not None and top.seen is not None:
        small = top.seen.sheet.small(top.map[None], LONGEST)[0]
        return SurveyPicture(top.name, top.seen.image, top.value, top.label, part, None, small)
    width, height = top.image.size
    box = frame and (frame.left / width, frame.top / height, frame.right / width, frame.bottom / height)
    return SurveyPicture(top.name, top.image, top.value, top.label, part, box)


def mask_uri(map: Float[Tensor, "height width"]) -> str:
    """How strong a unit is where, from 0 to its peak, as the opacity of a tiny PNG; nothing where it never fires."""
    known = map.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0).clamp_min(0)
    peak = float(known.max())
    shares = (known / peak * 255).round() if peak > 0 else known
    opacity = Image.fromarray(shares.to(torch.uint8).numpy())
    return png_uri(Image.merge("LA", (Image.new("L", opacity.size, 255), opacity)))
