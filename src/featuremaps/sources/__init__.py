"""Where models come from: one file per source, imported only when used."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from featuremaps.layers.given import LayoutLike
from featuremaps.options import OutputKind
from featuremaps.runtime.input_form import Spatial, form_of
from featuremaps.scope import Scope
from featuremaps.sources.checkpoint import TRUSTED
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.registry import SOURCES, read, source

__all__ = ["SOURCES", "Loaded", "load", "source"]


def load(
    model: str,
    *,
    weights: str | Path | None = None,
    transform: Callable[..., Any] | str | None = None,
    classes: Sequence[str] | None = None,
    device: str | None = None,
    layout: LayoutLike | None = None,
    outputs: OutputKind | None = None,
    spatial: Spatial | None = None,
    trust: bool = False,
) -> Scope:
    """A model under study by name, with its preprocessing and class names.

    `"demo"`, `"torchvision:resnet50"`, `"timm:…"`, `"hf:…"`, `"keras:file.keras"`, `"package.module:factory"` or
    `"file.py:factory"`.
    `weights` is a file with a state dict (safetensors, or PyTorch's format read without running code); `transform`
    and `classes` replace those of the source; `layout`, `outputs` and `spatial` are those of `Scope`.
    `trust=True` lets files run the code that is in them, with your rights on this machine: then `"model.pt"`, a whole
    model by `torch.save(model)` or `torch.export.save`, loads, and checkpoints that hold more than tensors do. Raises
    `SourceError`.
    """
    trusted = TRUSTED.set(trust)
    try:
        loaded = read(model, None if weights is None else Path(weights), classes)
    finally:
        TRUSTED.reset(trusted)
    module = loaded.model if device is None else loaded.model.to(device)
    how: dict[str, Any] = {"name": model, "layout": layout, "spatial": spatial, "outputs": outputs or loaded.outputs}
    pictures = (spatial or form_of(module).axes - 1) == 2
    recorded = loaded.transform if pictures else None  # those of videos take no pictures
    return Scope(module, transform or recorded, classes or loaded.classes, **how)
