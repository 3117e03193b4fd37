"""torchvision's models, with the preprocessing and class names of their default weights."""

from pathlib import Path
from typing import Any

from torch import nn

from featuremaps.errors import SourceError, did_you_mean
from featuremaps.sources.checkpoint import class_count, fit_weights, read_weights
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
        return Loaded(_pretrained(name, default), transform, classes, f"weights {default}")
    tensors = read_weights(weights)
    model = _built(name)
    count = class_count(model, tensors)
    if count is not None:
        model, classes = _built(name, num_classes=count), None
    fit_weights(model, tensors, weights)
    return Loaded(model, transform, classes, f"weights {weights.name}")


def _pretrained(name: str, default: Any) -> nn.Module:
    try:
        return _built(name, weights=default)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"the weights of torchvision's {name} could not be downloaded ({error}). Give a file instead: "
            "weights='file.safetensors' in Python, --weights FILE on the command line."
        ) from error


def _built(name: str, **settings: Any) -> nn.Module:
    from torchvision.models import get_model

    if name in ("googlenet", "inception_v3") and settings.get("weights") is None:
        settings.setdefault("init_weights", False)
    model: nn.Module = get_model(name, **{"weights": None, **settings})
    return model.eval()
