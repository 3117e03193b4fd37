"""Why what is made of a model should not be trusted: answers that depend on more than the picture, unknown places."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from featuremaps.layers.info import LayerInfo
from featuremaps.layers.known import known_layers
from featuremaps.layers.layout import LIKELY, PARTLY, Layout
from featuremaps.layers.traced_layout import UNEVEN
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session


def unsteady(session: Session, inputs: Tensor) -> tuple[str, ...]:
    """What is said of a model whose answer to a picture changes beside another one; nothing of others."""
    with run_on(session.model, inputs):
        outputs = known_layers(session.model, inputs, session.layout).outputs
    share = max((part.change for part in outputs.values()), default=0.0)
    if not share:
        return ()
    return (
        f"Asked again, beside another picture, the model gave other scores (by {share:.1%} of the largest): it is "
        "random (dropout that stays on), keeps count, or reads the pictures of a batch together. What is made of "
        "several passes has that in it.",
    )


def beyond_its_fields(info: LayerInfo, space: Sequence[int]) -> bool:
    """Whether a layer's places lie so far off an even grid over the picture that convolutions alone do not explain it.

    Without padding places keep a margin of half a receptive field, alike on both sides; a cut, a shift or a pad inside
    the model leaves parts of the picture in no field, or goes beyond its edge on one side.
    """
    if not info.places_uneven:
        return False
    if info.size is None or info.start is None or info.stride is None or info.receptive_field is None:
        return False
    for places, start, step, field, length in zip(
        info.size, info.start, info.stride, info.receptive_field, space, strict=True
    ):
        before = start + 0.5
        after = length - before - step * (places - 1)
        allowed = max(1.5 * step, UNEVEN * length)
        if abs(before - after) > allowed or not -allowed <= before <= allowed + field / 2:
            return True
    return False


def misplaced(layout: Layout | None) -> tuple[str, ...]:
    """What is said of a layer whose places in the picture are not known well; nothing of others."""
    known = "" if layout is None or math.prod(layout.grid) == 1 else layout.known
    if known == LIKELY:
        return (
            "Where the layer's places lie in the picture could not be followed: the map is drawn as if they covered it "
            "the way the picture lies.",
        )
    if known == PARTLY:
        return (
            "The model cuts, shifts or pads the picture inside, so the layer's places do not cover it evenly: drawn "
            "over the whole picture, the map lies beside what it shows.",
        )
    return ()


def why_not_finite(model: nn.Module) -> str:
    """Why values in a model are not finite: the first weights or buffers that are not, or what else to look at."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        bad = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return f"The model's own weights are not finite: {bad[0]}{more}. Load it again from a good checkpoint."
    return (
        "The model's weights are finite, so a layer overflows or divides by zero: look at the preprocessed picture, "
        "and run in float32; scope.maps(picture, 'all') names the first layer where it happens."
    )
