"""timm's models, with the preprocessing of their pretrained configuration."""

from functools import partial
from pathlib import Path

from featuremaps.errors import SourceError, did_you_mean
from featuremaps.sources.checkpoint import downloading, with_weights
from featuremaps.sources.loaded import Loaded, needs_package
from featuremaps.sources.registry import source


@source("timm")
def load(name: str, weights: Path | None) -> Loaded:
    """`name` as timm lists it; with its pretrained weights, or those in a file."""
    timm = needs_package("timm")
    if not timm.is_model(name.split(".")[0]):
        raise SourceError(f"timm has no model {name!r}.{did_you_mean(name, timm.list_models())}")
    if weights is None:
        with downloading(f"timm's {name}"):
            model = timm.create_model(name, pretrained=True)
    else:
        model, _ = with_weights(partial(timm.create_model, name, pretrained=False), weights)
    config = timm.data.resolve_data_config({}, model=model)
    labels = timm.data.ImageNetInfo().label_descriptions() if model.num_classes == 1000 else None
    return Loaded(model.eval(), timm.data.create_transform(**config), labels)
