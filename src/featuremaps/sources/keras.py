"""Keras 3 models on the torch backend, where a model is an ordinary torch module whose layers can be recorded."""

import os
import sys
import zipfile
from pathlib import Path

from featuremaps.errors import SourceError
from featuremaps.models.keras_model import KerasModel
from featuremaps.sources.loaded import Loaded, in_short, needs_package
from featuremaps.sources.registry import source
from featuremaps.sources.unread import foreign


@source("keras")
def load(name: str, weights: Path | None) -> Loaded:
    """A `.keras` file, read in safe mode; pictures are given in the size and range that its own layers expect."""
    if weights is not None:
        raise SourceError("a .keras file brings its own weights; leave out --weights.")
    if not Path(name).exists():
        raise SourceError(f"Keras file {name!r} does not exist.")
    if name.lower().endswith(".weights.h5"):
        raise SourceError(f"{name!r} is {foreign(Path(name))}.")
    if Path(name).suffix != ".keras":
        raise SourceError(
            f"{name!r} is no .keras file (Keras 3's own format). Open it as you did before, and save it as one: "
            "model.save('model.keras')."
        )
    if not zipfile.is_zipfile(name) and not Path(name).is_dir():
        raise SourceError(f"Keras file {name!r} is damaged or cut short: it is no whole archive, as .keras files are.")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = needs_package("keras")
    if keras.backend.backend() != "torch":
        started = "it was imported before" if "keras" in sys.modules else "KERAS_BACKEND says so"
        raise SourceError(
            f"Keras runs on {keras.backend.backend()} ({started}); set KERAS_BACKEND=torch and start again."
        )
    try:
        model = keras.saving.load_model(name, safe_mode=True, compile=False)
    except Exception as error:
        raise SourceError(
            f"Keras file {name!r} cannot be loaded: {in_short(error)} A model with code "
            "of your own (custom layers, Lambda) you load yourself: featuremaps.Scope(keras.saving.load_model(…))."
        ) from error
    return Loaded(KerasModel(model).eval())
