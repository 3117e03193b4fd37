"""Where models come from: one file per source, imported only when used."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from featuremaps.layers.given import LayoutLike
from featuremaps.models.input_form import Spatial, form_of
from featuremaps.models.torchvision_weights import Weights
from featuremaps.options import OutputKind
from featuremaps.outputs.class_names import names_in_order
from featuremaps.scope import Scope
from featuremaps.sources.checkpoint import TRUSTED
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.registry import SOURCES, full_name, read, source

__all__ = ["SOURCES", "Loaded", "load", "source"]


def load(
    model: str | Path,
    *,
    weights: str | Path | None = None,
    transform: Callable[..., Any] | str | Weights | None = None,
    classes: Sequence[str] | Mapping[Any, Any] | None = None,
    device: str | None = None,
    layout: LayoutLike | None = None,
    outputs: OutputKind | None = None,
    spatial: Spatial | None = None,
    trust: bool = False,
) -> Scope:
    """A model under study by name, with its preprocessing and class names.

    Args:
        model: "demo", "demo-fixed", "torchvision:resnet50" or "resnet50", "timm:…", "hf:…", "keras:file.keras",
            "package.module:factory", "file.py:factory", or with `trust` a file "model.pt".
        weights: A file with a state dict: safetensors, or PyTorch's format, which is read without running code.
        transform: Replaces the preprocessing of the source; see `Scope`.
        classes: Replaces the class names of the source, in the order of the outputs; see `Scope`.
        device: Where the model is put: "cpu", "cuda", "cuda:1", "mps".
        layout: How the tokens of layers lie; see `Scope`.
        outputs: What the class scores are; see `Scope`.
        spatial: How many axes an input has beside the channels; see `Scope`.
        trust: Whether files may run the code that is in them, with your rights on this machine. Then a whole model by
            `torch.save(model)` or `torch.export.save` loads, and so do checkpoints that hold more than tensors.

    Returns:
        The scope, whose verbs ask the model.

    Raises:
        SourceError: The name is not understood, or the file, the weights or the class names do not fit.
    """
    name, names, trusted = full_name(model), names_in_order(classes), TRUSTED.set(trust)
    try:
        loaded = read(name, None if weights is None else Path(weights), names)
    finally:
        TRUSTED.reset(trusted)
    module = loaded.model if device is None else loaded.model.to(device)
    how: dict[str, Any] = {"name": name, "layout": layout, "spatial": spatial, "outputs": outputs or loaded.outputs}
    pictures = (spatial or form_of(module).axes - 1) == 2
    recorded = loaded.transform if pictures else None  # those of videos take no pictures
    return Scope(module, transform or recorded, names or loaded.classes, **how)
