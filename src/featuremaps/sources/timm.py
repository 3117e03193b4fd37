"""timm's models, with the preprocessing of their pretrained configuration."""

from pathlib import Path

from featuremaps.errors import SourceError, did_you_mean
from featuremaps.sources.checkpoint import class_count, fit_weights, read_weights
from featuremaps.sources.loaded import Loaded, needs_package
from featuremaps.sources.registry import source


@source("timm")
def load(name: str, weights: Path | None) -> Loaded:
    """`name` as timm lists it; with its pretrained weights, or those in a file."""
    timm = needs_package("timm", "timm")
    if not timm.is_model(name.split(".")[0]):
        raise SourceError(f"timm has no model {name!r}.{did_you_mean(name, timm.list_models())}")
    if weights is None:
        try:
            model = timm.create_model(name, pretrained=True)
        except Exception as error:
            raise SourceError(
                f"the weights of timm's {name} could not be downloaded ({error}). Give a file instead: "
                "weights='file.safetensors' in Python, --weights FILE on the command line."
            ) from error
    else:
        tensors = read_weights(weights)
        model = timm.create_model(name, pretrained=False)
        count = class_count(model, tensors)
        if count is not None:
            model = timm.create_model(name, pretrained=False, num_classes=count)
        fit_weights(model, tensors, weights)
    config = timm.data.resolve_data_config({}, model=model)
    labels = timm.data.ImageNetInfo().label_descriptions() if model.num_classes == 1000 else None
    return Loaded(model.eval(), timm.data.create_transform(**config), labels)
