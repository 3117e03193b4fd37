"""The bundled demo models, which need no network."""

from pathlib import Path

from featuremaps.errors import SourceError
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.registry import source


@source("demo")
def load(name: str, weights: Path | None) -> Loaded:
    """`"demo"` (learned a shortcut) or `"demo-fixed"` (did not)."""
    if weights is not None:
        raise SourceError("the demo models bring their own weights; leave out --weights.")
    from featuremaps import demo

    return Loaded(demo.network(name), demo.transform(name), demo.CLASSES[name])
