"""torchvision's models, with the preprocessing and class names of their default weights."""

from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from featuremaps.errors import SourceError, did_you_mean
from featuremaps.sources.checkpoint import downloading, read_weights, with_weights
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.registry import source


@source("torchvision")
def load(name: str, weights: Path | None) -> Loaded:
    """`name` as torchvision lists it; with its default weights, or those in a file."""
    from torchvision.models import get_model_weights, list_models

    if name not in list_models():
        raise SourceError(f"torchvision has no model {name!r}.{did_you_mean(name, list_models())}")
    default = getattr(get_model_weights(name), "DEFAULT", None)
    classes = None if default is None else tuple(default.meta.get("categories", ())) or None
    transform = None if default is None else default.transforms()
    if weights is None:
        with downloading(f"torchvision's {name}"):
            return Loaded(_built(name, weights=default), transform, classes)
    auxiliary = any(key.split(".")[0] == "aux_classifier" for key in read_weights(weights))
    build = partial(_built, name, aux_loss=True) if auxiliary else partial(_built, name)
    model, fits = with_weights(build, weights)
    return Loaded(model, transform, classes if fits else None)


def _built(name: str, **settings: Any) -> nn.Module:
    from torchvision.models import get_model, get_model_builder

    if name in ("googlenet", "inception_v3") and settings.get("weights") is None:
        settings.setdefault("init_weights", False)
    if settings.get("weights") is None and "weights_backbone" in signature(get_model_builder(name)).parameters:
        settings.setdefault("weights_backbone", None)  # which is downloaded otherwise
    model: nn.Module = get_model(name, **{"weights": None, **settings})
    return model.eval()
