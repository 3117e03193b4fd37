"""A picture of a survey as a report shows it: what a unit sees of it, the whole picture, and where the unit fires."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.report.encode import picture_json
from featuremaps.report.sprites import rounded
from featuremaps.survey.analysis.top_pictures import TopPicture

LONGEST = 160
"""The longest side of a picture in these sections, in pixels."""

QUALITY = 82
"""There are hundreds of them, looked at side by side and small."""


@dataclass(frozen=True, eq=False)
class SurveyPicture:
    """One picture with how strong a unit is in it.

    `part` is what the unit sees, where that is less than all; `box` frames it in `image`, in shares of its width and
    height (left, top, right, bottom). `map` is the unit's map over `image`.
    """

    name: str
    image: Image.Image
    value: float | None = None
    label: str = ""
    part: Image.Image | None = None
    box: tuple[float, float, float, float] | None = None
    map: Float[Tensor, "height width"] | None = None

    def to_json(self) -> dict[str, object]:
        """Pictures and the map as data URIs."""
        return {
            "name": self.name,
            "label": self.label,
            "value": rounded(self.value),
            "picture": picture_json(self.image, LONGEST, QUALITY),
            "part": None if self.part is None else picture_json(self.part, LONGEST, QUALITY),
            "box": None if self.box is None else [round(side, 4) for side in self.box],
            "map": None if self.map is None else mask_uri(self.map),
        }


def pictured(one: TopPicture) -> SurveyPicture:
    """A picture of a unit: over what the model saw where the unit's map is known, else the original with a frame."""
    part = None if one.whole else one.crop
    if one.map is not None and one.seen is not None:
        return SurveyPicture(one.name, one.seen.image, one.value, one.label, part, None, one.map)
    box = None
    if not one.whole and one.box is not None:
        width, height = one.image.size
        box = (one.box[0] / width, one.box[1] / height, one.box[2] / width, one.box[3] / height)
    return SurveyPicture(one.name, one.image, one.value, one.label, part, box)


def mask_uri(map: Float[Tensor, "height width"]) -> str:
    """How strong a unit is where, from 0 to its peak, as the opacity of a tiny PNG; nothing where it never fires."""
    known = map.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0).clamp_min(0)
    peak = float(known.max())
    shares = (known / peak * 255).round() if peak > 0 else known
    opacity = Image.fromarray(shares.to(torch.uint8).numpy())
    picture = Image.merge("LA", (Image.new("L", opacity.size, 255), opacity))
    file = BytesIO()
    picture.save(file, "png", optimize=True)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode('ascii')}"
